"""The winner into params.yaml: where it counts, and nothing else in the file changes."""

import difflib
import re
from pathlib import Path
from typing import Any

import pytest
from fixtures_models import ROOT

from genlab.runtime.errors import InputError
from genlab.settings import params
from genlab.tune import apply, read_best

FILE = ROOT / "params.yaml"
VAE_ON_MNIST = "      vae: {widths: [500, 500], latent_dim: 20, batch_size: 128, steps: 24000}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Returns a copy of params.yaml in which no search has written to this entry yet."""
    text, number = re.subn(
        r"(\n  mnist:\n(?:    .*\n)*?) +vae: .*\n", rf"\1{VAE_ON_MNIST}", FILE.read_text()
    )
    assert number == 1
    copied = tmp_path / "params.yaml"
    copied.write_text(text)
    return copied


def differing(path: Path, old: str) -> list[str]:
    """Returns the lines that are gone and those that are new."""
    lines = difflib.ndiff(old.splitlines(), path.read_text().splitlines())
    return [line for line in lines if line[0] in "+-"]


def applied(path: Path, data: str, model: str) -> dict[str, Any]:
    """Returns a model's settings as the pipeline reads them on a data set."""
    text = path.read_text()
    other = path.with_name("read.yaml")
    other.write_text(text.replace("name: digits ", f"name: {data} ", 1))
    return params.load(other).models[model]


def edit(path: Path, old: str, new: str) -> str:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return text.replace(old, new)


SETTINGS = {"learning_rate": 0.002345, "kl_weight": 0.5}


@pytest.mark.parametrize("data", ["digits", "mnist", "image_folder", "cifar10"])
def test_settings_count_where_they_were_found(path: Path, data: str) -> None:
    before = {name: applied(path, name, "vae") for name in ("digits", "mnist", "kmnist")}
    changes = apply(path, data, "vae", SETTINGS)
    assert applied(path, data, "vae").items() >= SETTINGS.items()
    for name, values in before.items():
        if name != data:
            assert applied(path, name, "vae") == values
    assert all(word in changes for word in ("+", "learning_rate: 0.002345", "kl_weight: 0.5"))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("digits", ["+     models:", "+       vae: {learning_rate: 0.002345, kl_weight: 0.5}"]),
        (
            "mnist",
            [
                "-       vae: {widths: [500, 500], latent_dim: 20, batch_size: 128, steps: 24000}",
                "+       vae: {widths: [500, 500], latent_dim: 20, batch_size: 128, steps: 24000, "
                "learning_rate: 0.002345, kl_weight: 0.5}",
            ],
        ),
    ],
)
def test_only_touched_lines_differ(path: Path, data: str, lines: list[str]) -> None:
    old = path.read_text()
    changes = apply(path, data, "vae", SETTINGS)
    assert differing(path, old) == lines
    shown = [
        line for line in changes.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert [line[0] + line[1:].strip() for line in shown] == [
        line[0] + line[2:].strip() for line in lines
    ]


def test_second_time_changes_nothing(path: Path) -> None:
    apply(path, "digits", "vae", SETTINGS)
    first = path.read_bytes()
    assert apply(path, "digits", "vae", SETTINGS) == ""
    assert path.read_bytes() == first


def test_settings_that_are_so_already_are_not_written(path: Path) -> None:
    old = path.read_bytes()
    assert apply(path, "digits", "vae", {"learning_rate": 1.0e-3, "kl_weight": 1}) == ""
    assert apply(path, "mnist", "vae", {"widths": [500, 500], "latent_dim": 20}) == ""
    assert path.read_bytes() == old


def test_later_settings_take_the_place_of_earlier_ones(path: Path) -> None:
    old = path.read_text()
    apply(path, "digits", "vae", SETTINGS)
    apply(path, "digits", "vae", {"learning_rate": 0.01, "kl_weight": 0.5})
    assert differing(path, old)[-1] == "+       vae: {learning_rate: 0.01, kl_weight: 0.5}"
    assert applied(path, "digits", "vae")["learning_rate"] == 0.01


def test_lists_are_written_as_lists(path: Path) -> None:
    apply(path, "digits", "vae", {"widths": [32, 16], "gradient_clip_norm": None})
    apply(path, "mnist", "gan", {"generator_filters": [8], "gradient_clip_norm": 1.0})
    assert applied(path, "digits", "vae")["widths"] == [32, 16]
    assert applied(path, "mnist", "gan")["generator_filters"] == [8]
    assert applied(path, "mnist", "gan")["gradient_clip_norm"] == 1.0
    assert "vae: {widths: [32, 16]}" in path.read_text()


def test_small_numbers_are_numbers(path: Path) -> None:
    apply(path, "digits", "vae", {"learning_rate": 1e-5, "kl_weight": 1.234e-7})
    found = applied(path, "digits", "vae")
    assert (found["learning_rate"], found["kl_weight"]) == (1e-5, 1.234e-7)


def test_data_set_without_a_section_gets_one(path: Path) -> None:
    apply(path, "mine", "vae", SETTINGS)
    assert params.read_yaml(path)["datasets"]["mine"] == {"models": {"vae": SETTINGS}}


@pytest.mark.parametrize("empty", ["datasets:", "datasets: {}", "datasets: null"])
def test_section_of_data_sets_may_be_empty(path: Path, empty: str) -> None:
    text = path.read_text()
    path.write_text(
        text[: text.index("datasets:  ")] + empty + "\n\n" + text[text.index("profiles:  ") :]
    )
    apply(path, "digits", "vae", SETTINGS)
    assert params.read_yaml(path)["datasets"]["digits"] == {"models": {"vae": SETTINGS}}


def rewrite(path: Path, *lines: str) -> str:
    """Writes the entry of the VAE on MNIST in another way; returns the file's text."""
    head, found, tail = path.read_text().partition(VAE_ON_MNIST)
    assert found
    path.write_text(head + "".join(f"      {line}\n" for line in lines) + tail)
    return path.read_text()


def test_comment_in_the_touched_entry_stays(path: Path) -> None:
    rate = "  learning_rate: 0.5    # too high"
    old = rewrite(path, "vae:              # as in the paper", "  widths: [500, 500]  # both", rate)
    apply(path, "mnist", "vae", {"learning_rate": 0.002})
    gone, new = differing(path, old)
    assert gone == f"-       {rate}"
    assert new.split() == ["+", "learning_rate:", "0.002", "#", "too", "high"]


def test_entry_over_several_lines_may_be_touched(path: Path) -> None:
    old = rewrite(
        path, "vae: {widths: [500, 500], latent_dim: 20,", "      batch_size: 128, steps: 24000}"
    )
    apply(path, "mnist", "vae", SETTINGS)
    assert (
        applied(path, "mnist", "vae").items()
        >= {"widths": [500, 500], "steps": 24000, **SETTINGS}.items()
    )
    assert len(differing(path, old)) == 3


def test_profile_that_would_win_is_refused(path: Path) -> None:
    text = edit(path, "profile: default  ", "profile: likelihood  ")
    where = "profiles.likelihood.models.vae.learning_rate"
    with pytest.raises(
        InputError, match=rf"Received: likelihood, which sets learning_rate. See .*{where}"
    ):
        apply(path, "digits", "vae", SETTINGS)
    assert path.read_text() == text
    apply(path, "digits", "gan", {"generator_learning_rate": 0.002})


def test_link_to_the_parameters_stays_one(path: Path) -> None:
    link = path.with_name("link.yaml")
    link.symlink_to(path)
    apply(link, "digits", "vae", SETTINGS)
    assert link.is_symlink()
    assert applied(path, "digits", "vae").items() >= SETTINGS.items()


def test_winner_is_read_from_the_last_search(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"must be there. Received: none. Run: genlab tune vae --trials 30"
    ):
        read_best(tmp_path, "vae")
    (tmp_path / "best_params.yaml").write_text(
        "data: digits\nmodels:\n  vae: {kl_weight: 0.5, widths: [3, 4]}\n"
    )
    assert read_best(tmp_path, "vae") == ("digits", {"kl_weight": 0.5, "widths": [3, 4]})
    with pytest.raises(
        InputError, match=r"must be of a search of gan. Received: vae. Give --study"
    ):
        read_best(tmp_path, "gan")
