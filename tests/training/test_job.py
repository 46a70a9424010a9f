"""What is refused at the door, and the key that is equal where the result is."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures_models import ROOT, tiny_entry, tiny_job, tiny_params, write_dataset

import genlab.models
from genlab import training
from genlab.networks import devices
from genlab.runtime.errors import InputError
from genlab.settings import code

# Refused before anything is trained


@pytest.mark.usefixtures("chapters")
@pytest.mark.parametrize(
    ("kind", "fields", "takes"),
    [
        ("conditional", ("images", "inputs"), "images, labels"),
        ("translator", ("images", "labels"), "images, inputs"),
    ],
)
def test_model_that_takes_what_the_data_set_has_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, fields: tuple[str, ...], takes: str
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "root"))
    data = write_dataset(tmp_path / "data", fields=fields)
    with pytest.raises(InputError) as caught:
        tiny_job(data, kind)
    assert caught.value.expected == f"{kind} must have the fields that it takes: {takes}"
    assert caught.value.received == f"halves has {', '.join(fields)}"
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.usefixtures("chapters")
@pytest.mark.parametrize(
    ("kind", "changes", "number"),
    [
        ("vae", {"batch_size": 49}, 49),
        ("gan", {"batch_size": 17, "discriminator_steps": 3}, 51),
        ("growing", {"grown_batch_size": 50}, 50),
    ],
)
def test_more_images_per_step_than_there_are_is_refused(
    data: Path, kind: str, changes: dict[str, Any], number: int
) -> None:
    with pytest.raises(InputError) as caught:
        tiny_job(data, kind, **changes)
    assert caught.value.expected == "batch_size must be at most the 48 training images"
    assert caught.value.received == f"{number} images per step"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"monitor": None, "keep": "best"},
            "monitor must name a validation metric with keep: best",
        ),
        ({"monitor": None, "patience": 1}, "monitor must name a validation metric with keep: best"),
        ({"monitor": "frechet_distance"}, "selection judges must be given to monitor a Fréchet"),
    ],
)
def test_monitor_that_cannot_be_is_refused(
    data: Path, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        tiny_job(data, "vae", **changes)
    assert caught.value.expected.startswith(expected)


def test_unknown_names_are_refused(data: Path) -> None:
    with pytest.raises(InputError, match=r"^model must be one of vae. Received: 'gan'"):
        training.prepare(tiny_params({"vae": tiny_entry("vae")}), "gan", data)
    entries = {"m": tiny_entry("vae"), "other": tiny_entry("vae") | {"kind": "unheard"}}
    with pytest.raises(
        InputError, match=r"models.other.kind must be one of .* Received: 'unheard'"
    ):
        training.prepare(tiny_params(entries), "m", data)


# Precision


def test_float16_on_a_cpu_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "kind", lambda: "cpu")
    with pytest.raises(InputError, match=r"^precision must be float32 or mixed_bfloat16 on a CPU"):
        tiny_job(data, "vae", {"precision": "mixed_float16"})


@pytest.mark.parametrize(
    ("arithmetic", "kind", "network", "expected"),
    [
        ("cpu_bfloat16", "gan", "convolutional", "mixed_bfloat16"),
        ("cpu_bfloat16", "gan", "dense", "float32"),
        ("cpu_bfloat16", "vae", "dense", "float32"),
        ("cpu", "gan", "convolutional", "float32"),
        ("gpu", "gan", "convolutional", "float32"),
    ],
)
def test_automatic_precision_is_resolved(
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    arithmetic: str,
    kind: str,
    network: str,
    expected: str,
) -> None:
    """It is the resolved one that makes the key and is saved with the model."""
    monkeypatch.setattr(devices, "arithmetic", lambda: arithmetic)
    job = tiny_job(data, kind, {"precision": "auto"}, network=network)
    assert job.training.precision == expected
    assert job.train_key == tiny_job(data, kind, {"precision": expected}, network=network).train_key


# The key


def test_key_is_that_of_what_the_result_depends_on(data: Path, tmp_path: Path) -> None:
    params = tiny_params({"vae": tiny_entry("vae")})
    same = tiny_job(data, "vae").train_key
    shutil.copytree(data, tmp_path / "copy")
    often = {"checkpoint_every_seconds": 1e-6, "checkpoint_every_steps": 3, "num_seeds": 3}
    assert tiny_job(tmp_path / "copy", "vae", often).train_key == same
    binarised = params.data.model_copy(update={"binarisation": "dynamic"})
    others = [
        tiny_job(data, "vae", kl_weight=2.0),
        tiny_job(data, "vae", {"precision": "mixed_bfloat16"}),
        tiny_job(data, "vae", {"log_every_steps": 4}),
        tiny_job(write_dataset(tmp_path / "other", test=21), "vae"),
        training.prepare(tiny_params({"v": tiny_entry("vae")}), "v", data),
        training.prepare(params.model_copy(update={"seed": 1}), "vae", data),
        training.prepare(params.model_copy(update={"data": binarised}), "vae", data),
    ]
    assert len({same, *(job.train_key for job in others)}) == len(others) + 1


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Copies the package and a variant of a chapter; returns what adds a comment to a module."""
    package = tmp_path / "genlab"
    shutil.copytree(ROOT / "src" / "genlab", package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", package)
    monkeypatch.delitem(sys.modules, "genlab.models.variant", raising=False)
    (tmp_path / "variant.py").write_text("from genlab.models.vae import Settings, build\n")
    monkeypatch.setattr(genlab.models, "__path__", [*genlab.models.__path__, str(tmp_path)])

    def add_comment(module: str) -> None:
        path = (package / module).with_suffix(".py")
        path.write_text(path.read_text() + "# a comment\n")

    return add_comment


@pytest.mark.parametrize(
    ("module", "matters"),
    [
        ("models/vae", True),  # of which the chapter is a variant
        ("networks/trunks", True),  # imported by that chapter
        ("networks/convolution", True),  # imported by trunks
        ("training/feed", True),
        ("numerics/density", True),
        ("models/gan", False),
        ("runtime/files", False),
        ("report/page", False),
        ("tracking/run", False),
    ],
)
def test_key_changes_with_the_code_that_the_training_runs_through(
    data: Path, edit: Callable[[str], None], module: str, matters: bool
) -> None:
    entry = tiny_entry("vae") | {"kind": "variant"}
    before = training.prepare(tiny_params({"m": entry}), "m", data).train_key
    edit(module)
    after = training.prepare(tiny_params({"m": entry}), "m", data).train_key
    assert (before != after) == matters
