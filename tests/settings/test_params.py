"""Typed parameters: what params.yaml says, what is refused and how it is named, seeds."""

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
from fixtures_models import ROOT
from ruamel.yaml import YAML

from genlab.runtime.errors import InputError
from genlab.settings import params, plugins, seeds
from genlab.settings.params import build_section

BASE = params.read_yaml(ROOT / "params.yaml")
NAMES = plugins.names("datasets")


def write(folder: Path, changes: dict[str, Any]) -> Path:
    """Writes the repository's params.yaml with other values, by dotted names; `...` removes one."""
    values = copy.deepcopy(BASE)
    for name, value in changes.items():
        *parents, key = name.split(".")
        section = functools.reduce(dict.__getitem__, parents, values)
        section[key] = value
        if value is ...:
            del section[key]
    path = folder / "params.yaml"
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(values, file)
    return path


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        params.load(path)
    assert "\n" not in str(caught.value)
    return caught.value


# The repository's own file


@pytest.mark.parametrize("data", NAMES)
@pytest.mark.parametrize("profile", BASE["profiles"])
def test_every_entry_is_complete_on_every_data_set_and_profile(data: str, profile: str) -> None:
    sizes = (BASE["datasets"].get(data) or {}).get("sizes", {})
    for size in (1, *sizes):
        loaded = params.load(ROOT / "params.yaml", data, profile, (size, size, 3))
        assert (loaded.data.name, loaded.profile) == (data, profile)
        for name, entry in loaded.models.items():
            chapter = plugins.find("models", entry["kind"], "tests")
            assert build_section(chapter.Settings, entry, name).kind == entry["kind"]


def test_every_overlay_is_of_a_data_set() -> None:
    assert set(BASE["datasets"]) <= set(NAMES)


def test_class_names_may_be_written_as_numbers(tmp_path: Path) -> None:
    loaded = params.load(write(tmp_path, {"data.held_out_classes": [3, "4"]}))
    assert loaded.data.held_out_classes == ("3", "4")


def test_parameters_cannot_be_changed() -> None:
    loaded = params.load(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        loaded.training.precision = "mixed_bfloat16"


SIZES = {24: {"features": {"feature_dim": 24}}, 48: {"features": {"feature_dim": 48}}}


@pytest.mark.parametrize(
    ("image_shape", "feature_dim"),
    [(None, 7), ((8, 8, 1), 7), ((24, 30, 3), 24), ((64, 47, 3), 24), ((64, 64, 3), 48)],
)
def test_size_of_the_images_chooses_an_overlay(
    tmp_path: Path, image_shape: tuple[int, ...] | None, feature_dim: int
) -> None:
    overlay = {"features": {"feature_dim": 7}, "sizes": SIZES}
    path = write(tmp_path, {"data.name": "digits", "datasets": {"digits": overlay}})
    assert params.load(path, image_shape=image_shape).features.feature_dim == feature_dim


@pytest.mark.parametrize(
    ("sizes", "received"), [({"big": {}}, "'big'"), ({48: {"feature": {}}}, "'feature'")]
)
def test_every_size_is_checked(tmp_path: Path, sizes: dict[Any, Any], received: str) -> None:
    path = write(tmp_path, {"data.name": "digits", "datasets": {"digits": {"sizes": sizes}}})
    with pytest.raises(InputError) as error:
        params.load(path, image_shape=(8, 8, 1))
    assert error.value.received == received


# What is refused

GRAPH = "evaluation.inception.graph"


@pytest.mark.parametrize(
    ("changes", "expected", "received", "where"),
    [
        ({"sede": 3}, "search, tune, models (nearest: 'seed')", "'sede'", "sede"),
        ({"seed": -1}, "seed must be at least 0", "seed=-1", "seed"),
        ({"data.channels": 2}, "channels must be 1 or 3", "channels=2", "data.channels"),
        ({"data.inputs": "gray"}, "'masked' or 'small'", "inputs='gray'", "data.inputs"),
        (
            {"features.judges.reporting.residual": [8, "many"]},
            "residual[1] must be a valid integer, unable to parse string as an integer",
            "residual[1]='many'",
            "features.judges.reporting.residual.1",
        ),
        ({"training.precison": 1}, "(nearest: 'precision')", "'precison'", "training.precison"),
        (
            {"evaluation.few_labels.steps": ...},
            "the key 'steps'",
            "none",
            "evaluation.few_labels.steps",
        ),
        (
            {GRAPH: "a.pb"},
            "sha256 must be given with a graph",
            "none for graph=a.pb",
            "evaluation.inception",
        ),
        (
            {"tune.vae.prune_by": ..., "tune.vae.prune_bye": None},
            ": tune.vae must have keys among steps, objective, prune_by, space "
            "(nearest: 'prune_by')",
            "'prune_bye'",
            "tune.vae.prune_bye (1 more after this one)",
        ),
        (
            {"training.density_images": float("inf")},
            "a finite number",
            "density_images=inf",
            "training.density_images",
        ),
        ({"profile": "smok"}, "likelihood, smoke (nearest: 'smoke')", "'smok'", "profile"),
        ({"profiles": None}, "params.yaml must have the section profiles", "none", "profiles"),
        (
            {"data": None},
            "data must be a valid dictionary or instance of Data",
            "data=None",
            "data",
        ),
        ({"data": 3, "seed": "s"}, "as an integer", "seed='s'", "seed (1 more after this one)"),
        ({"models": None}, "models must be a valid dictionary", "models=None", "models"),
        ({"models.vae": None}, "vae must be a valid dictionary", "vae=None", "models.vae"),
    ],
)
def test_wrong_parameters_are_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str, received: str, where: str
) -> None:
    path = write(tmp_path, changes)
    error = refusal(path)
    assert error.expected.endswith(expected)
    assert error.received == received
    assert error.where == f"See {path}: {where}"


def test_missing_section_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("profile: default\nprofiles: {default: {}}\n")
    error = refusal(path)
    assert error.expected == f"{path} must have the key 'seed'"
    assert error.where == f"See {path}: seed (8 more after this one)"


def test_unknown_model_is_refused_with_the_list() -> None:
    loaded = params.load(ROOT / "params.yaml")
    with pytest.raises(InputError) as caught:
        loaded.model("vaee")
    known = ", ".join(loaded.models)
    assert caught.value.expected == f"model must be one of {known} (nearest: 'vae')"


# Seeds


def test_seeds_differ_by_name_and_by_the_seed() -> None:
    names = (("train", "vae"), ("train", "gan"), ("features",))
    derived = {seeds.derive(seed, *parts) for seed in (0, 1) for parts in names}
    assert len(derived) == 6
    assert all(0 <= seed < 2**31 for seed in derived)


def test_seed_is_the_start_of_a_sha_256() -> None:
    assert seeds.derive(0, "train", "vae") == 0xE2A115CC >> 1  # printf 0/train/vae | sha256sum
