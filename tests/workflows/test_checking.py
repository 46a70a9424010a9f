"""`genlab check` says everything that can be known before a stage runs."""

import os
from pathlib import Path

import pytest

from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.tracking import looking
from genlab.workflows import checking

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the repository's parameters and an empty folder for own pictures."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (workplace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (workplace / "data" / "own_images").mkdir(parents=True)
    return workplace


def edit(place: Path, old: str, new: str) -> None:
    path = place / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def fault() -> InputError:
    with pytest.raises(InputError) as error:
        checking.check(Path("params.yaml"))
    assert "\n" not in str(error.value)
    return error.value


@pytest.mark.parametrize(
    ("old", "new", "received", "where"),
    [
        ("kl_weight: 1.0", "kl_wieght: 1.0", "'kl_wieght'", "models.vae.kl_wieght"),
        ("kl_weight: 1.0", "kl_weight: .nan", "kl_weight=nan", "models.vae.kl_weight"),
        ("kl_weight: 1.0", "kl_weight: .inf", "kl_weight=inf", "models.vae.kl_weight"),
        ("num_neighbours: 5", "num_nieghbours: 5", "'num_nieghbours'", "evaluation.metrics"),
        ("data: turned ", "data: trned ", "'trned'", "outliers.data"),
        ("\n  gan:", "\n  vae: {kind: vae}\n  gan:", "duplicate key", "params.yaml"),
        ("seed: 0", "seed: &a 0\nprofiles: &a {}", "duplicate anchor 'a'", "params.yaml"),
        ("directory: data/", "directory: ~/", "~/own_images", "data.directory"),
        ("directory: data/", "directory: data/no/", "no such folder", "data.directory"),
        (
            "directory: data/own_images",
            "directory: ''",
            "which holds the project",
            "data.directory",
        ),
        ("directory: data/own_images", "directory: ../", "which holds the project", "data.direct"),
        ("\nprofiles:", "\nsearches:", "none", "profiles"),
    ],
)
def test_fault_is_one_line(place: Path, old: str, new: str, received: str, where: str) -> None:
    edit(place, old, new)
    error = fault()
    assert received in error.received
    assert where in error.where


def test_names_that_dvc_cannot_store(place: Path) -> None:
    name = os.fsencode(place / "data" / "own_images") + b"/caf\xe9.png"
    Path(os.fsdecode(name)).touch()
    assert "caf\\udce9.png" in str(fault())
    Path(os.fsdecode(name)).unlink()
    (place / "data" / "own_images" / "two\nlines.png").touch()
    checking.check(Path("params.yaml"))


def test_address_of_the_tracker(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "localhost:5000")
    assert fault().received == "'localhost:5000'"


def test_what_was_right_is_checked_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checking.check(Path("params.yaml")).data.name == "digits"
    assert checking.check(Path("params.yaml"), "mnist", "default").data.name == "mnist"
    with monkeypatch.context() as patch:
        patch.setattr(plugins, "find", lambda *names: pytest.fail("imported again"))
        checking.check(Path("params.yaml"))
        checking.check(Path("params.yaml"), "mnist", "default")
    edit(place, "kl_weight: 1.0", "kl_weight: -1.0")
    assert "kl_weight=-1.0" in fault().received


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("sqlite://mlflow.db", "two slashes for three"),
        ("http://127.0.0.1:notaport", "notaport"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("https://me:secret@", "no host"),
    ],
)
def test_addresses_that_no_store_can_have(
    place: Path, monkeypatch: pytest.MonkeyPatch, address: str, fault: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(InputError, match="must be an address: http://HOST:5000") as caught:
        checking.check(Path("params.yaml"))
    assert fault in caught.value.received
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://[::1]:5000/", "postgresql://u:p@one:1,two:2/db"])
def test_unusual_addresses_have_their_form(address: str) -> None:
    looking.check_form(address)
