"""Typed parameters, and their overlays."""

from pathlib import Path
from typing import Any

import pytest
from fixtures_models import ROOT
from ruamel.yaml import YAML

from genlab.runtime.errors import InputError
from genlab.settings import params, plugins, seeds
from genlab.settings.params import build_section

BASE = params.read_yaml(ROOT / "params.yaml")
NAMES = plugins.names("data")


def write(folder: Path, **changes: Any) -> Path:
    """Writes the repository's params.yaml with other sections."""
    values = BASE | changes
    path = folder / "params.yaml"
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(values, file)
    return path


def changed(section: str, **changes: Any) -> dict[str, Any]:
    return {section: BASE[section] | changes}


def without(values: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


# The repository's own file


@pytest.mark.parametrize("data", NAMES)
@pytest.mark.parametrize("profile", BASE["profiles"])
def test_every_entry_is_complete_on_every_data_set_and_profile(
    tmp_path: Path, data: str, profile: str
) -> None:
    loaded = params.load(write(tmp_path, profile=profile, **changed("data", name=data)))
    for name, entry in loaded.models.items():
        chapter = plugins.find("models", entry["kind"], "tests")
        assert build_section(chapter.Settings, entry, name).kind == entry["kind"]


def test_every_overlay_is_of_a_data_set() -> None:
    assert set(BASE["datasets"]) <= set(NAMES)


# Overlays


def test_later_layers_win_and_the_rest_stays(tmp_path: Path) -> None:
    models = {
        "vae": {"kind": "vae", "steps": 1, "widths": [1, 2], "kl_weight": 1},
        "beta_vae": {"kind": "vae", "steps": 1, "widths": [3], "kl_weight": 4},
        "gan": {"kind": "gan", "steps": 1},
    }
    layers = {
        "datasets": {
            "digits": {
                "models": {"vae": {"steps": 2, "widths": [9]}, "beta_vae": {"kl_weight": 5}},
                "features": {"steps": 7},
            },
            "mnist": {"features": {"steps": 8}},
        },
        "profiles": {
            "quick": {
                "models": {"beta_vae": {"steps": 3}},
                "evaluation": {"inversion": {"steps": 9}},
            }
        },
    }
    loaded = params.load(write(tmp_path, models=models, profile="quick", **layers))
    assert loaded.models == {
        "vae": {"kind": "vae", "steps": 2, "widths": [9], "kl_weight": 1},
        "beta_vae": {"kind": "vae", "steps": 3, "widths": [3], "kl_weight": 5},
        "gan": {"kind": "gan", "steps": 1},
    }
    assert (loaded.features.steps, loaded.features.batch_size) == (7, 64)
    assert (loaded.evaluation.inversion.steps, loaded.evaluation.inversion.num_images) == (9, 512)


def test_class_names_may_be_written_as_numbers(tmp_path: Path) -> None:
    loaded = params.load(write(tmp_path, **changed("data", held_out_classes=[3, "4"])))
    assert loaded.data.held_out_classes == ("3", "4")


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("rate: 1e-3\nswitch: off\n")
    assert params.read_yaml(path) == {"rate": 0.001, "switch": "off"}


# What is refused, each with one line

NO_RATE = without(BASE["evaluation"]["inversion"], "learning_rate")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sede": 3},
            "{path} has no key 'sede' (nearest: 'seed'). Known: seed, profile, data, validation, features, "
            "training, evaluation, search, tune, models. See {path}: sede.",
        ),
        ({"seed": -1}, "seed must be at least 0. Received: seed=-1. See {path}: seed."),
        (
            changed("data", channels=2),
            "channels must be 1 or 3. Received: channels=2. See {path}: data.channels.",
        ),
        (
            changed("features", filters=[8, "many"]),
            "filters[1] must be a valid integer, unable to parse string as an "
            "integer. Received: filters[1]='many'. See {path}: features.filters.1.",
        ),
        (
            changed("training", precison="float32"),
            "{path}: training has no key 'precison' (nearest: 'precision'). ",
        ),
        (
            changed("evaluation", inversion=NO_RATE),
            "{path}: evaluation.inversion must have the key "
            "'learning_rate'. Received: none. See {path}: evaluation.inversion.learning_rate.",
        ),
        (
            changed("training", density_images=float("inf")),
            "density_images must be a finite number. ",
        ),
        (
            {"profile": "smok"},
            "profile must be one of best, default, likelihood, smoke (nearest: 'smoke'). Received: 'smok'. ",
        ),
        (
            changed("data", binarisation="static"),
            "binarisation must be 'none' or 'dynamic'. Received: binarisation='static'. See {path}: data.binarisation.",
        ),
        ({"profiles": None}, "profile must be one of . Received: 'default'. "),
        (
            {"data": None},
            "data must be a valid dictionary or instance of Data. Received: data=None. See {path}: data.",
        ),
        (
            {"data": 3, "seed": "s"},
            "seed must be a valid integer, unable to parse string as an integer. "
            "Received: seed='s'. See {path}: seed. (1 more after this one)",
        ),
        (
            {"models": None},
            "models must be a valid dictionary. Received: models=None. See {path}: models.",
        ),
        (
            {"models": {"vae": None}},
            "vae must be a valid dictionary. Received: vae=None. See {path}: models.vae.",
        ),
        (
            {"datasets": 3},
            "{path}: datasets must map names to values. Received: 3. See {path}: datasets.",
        ),
        (
            {"profiles": {"default": [1]}},
            "{path}: profiles.default must map names to values. Received: [1]. ",
        ),
        (
            {"profiles": {"default": {"models": {"gan": 4}}}},
            "{path}: profiles.default.models.gan must map names to values. ",
        ),
        (
            {"profiles": {"default": {"models": {"vea": {"steps": 1}}}}},
            "{path}: profiles.default.models must name kinds or "
            "models (nearest: 'vae'). Received: 'vea'. See {path}: profiles.default.models.vea.",
        ),
        (
            {"profiles": {"default": {"training": {"stepz": 1}}}},
            "{path}: profiles.default.training has no key 'stepz'. Known: ",
        ),
    ],
)
def test_wrong_parameters_are_refused_with_one_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        params.load(path)
    received, expected = str(caught.value), message.format(path=path)
    assert "\n" not in received
    assert received == expected or (expected.endswith(" ") and received.startswith(expected))


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"none.yaml must be a file. Received: no such file. Run from the repository's root.",
    ):
        params.load(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    for content, message in (
        ("a: [1", "must be YAML. Received: "),
        ("- a\n", "must map names to values. Received: list."),
    ):
        broken.write_text(content)
        with pytest.raises(InputError, match=message) as caught:
            params.load(broken)
        assert "\n" not in str(caught.value)


def test_unknown_model_is_refused_with_the_list() -> None:
    loaded = params.load(ROOT / "params.yaml")
    known = ", ".join(loaded.models)
    with pytest.raises(
        InputError,
        match=rf"model must be one of {known} \(nearest: 'vae'\). Received: 'vaee'. See params.yaml",
    ):
        loaded.model("vaee")


def test_parameters_cannot_be_changed() -> None:
    loaded = params.load(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        loaded.training.precision = "mixed_bfloat16"


# Seeds


def test_seeds_differ_by_name_and_by_the_seed() -> None:
    derived = {
        seeds.derive(seed, *names)
        for seed in (0, 1)
        for names in (("train", "vae"), ("train", "gan"), ("features",))
    }
    assert len(derived) == 6
    assert all(0 <= seed < 2**31 for seed in derived)
    assert seeds.derive(0, "train", "vae") == seeds.derive(0, "train", "vae")


def test_seed_is_the_start_of_a_sha_256() -> None:
    assert seeds.derive(0, "train", "vae") == 0xE2A115CC >> 1  # printf 0/train/vae | sha256sum


def test_missing_section_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("profile: default\nprofiles: {default: {}}\n")
    with pytest.raises(
        InputError,
        match=r"params.yaml must have the key 'seed'. Received: none. See .*: seed. \(8 more",
    ):
        params.load(path)
