"""Layers of values: which one wins, what is refused, and how the file is read."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genlab.runtime.errors import InputError
from genlab.settings.overlays import lay_over, read_yaml

EACH = settings(max_examples=100, deadline=None, derandomize=True)
KEYS = st.sampled_from("abcd")
TREES = st.recursive(
    st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2),
    lambda trees: st.dictionaries(KEYS, trees, max_size=4),
    max_leaves=12,
)
SECTIONS = st.dictionaries(KEYS, TREES, max_size=4)


def leaves(values: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Returns the values that are no maps, by their path; an empty map is one, too."""
    if not isinstance(values, dict) or not values:
        return {path: values}
    return {
        place: leaf for key in values for place, leaf in leaves(values[key], (*path, key)).items()
    }


@st.composite
def layers(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draws sections and an overlay that changes some of their values, and no map."""
    base = draw(SECTIONS)

    def change(values: dict[str, Any]) -> dict[str, Any]:
        keys = draw(st.lists(st.sampled_from(sorted(values)), unique=True)) if values else []
        return {
            key: change(values[key]) if isinstance(values[key], dict) else draw(st.integers(10, 19))
            for key in keys
        }

    return base, change(base)


@EACH
@given(layers())
def test_overlay_wins_and_the_rest_stays(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    base, overlay = both
    before = copy.deepcopy(both)
    merged = lay_over(base, overlay, "here")
    changes = {place: leaf for place, leaf in leaves(overlay).items() if leaf != {}}
    assert leaves(merged) == leaves(base) | changes
    assert lay_over(merged, overlay, "here") == merged
    assert lay_over(base, None, "here") == base
    assert both == before, "neither is changed"


def fits(base: dict[str, Any], overlay: dict[str, Any]) -> bool:
    """Returns whether a map of an overlay has only keys of the map that it changes."""
    return all(
        key in base
        and (
            not (isinstance(value, dict) and isinstance(base[key], dict)) or fits(base[key], value)
        )
        for key, value in overlay.items()
    )


@EACH
@given(SECTIONS, SECTIONS)
def test_keys_stay_those_of_the_base(base: dict[str, Any], overlay: dict[str, Any]) -> None:
    if fits(base, overlay):
        assert list(lay_over(base, overlay, "here")) == list(base)
    else:
        with pytest.raises(InputError, match=r"See here\."):
            lay_over(base, overlay, "here")


def test_models_are_changed_by_their_names() -> None:
    models = {
        "vae": {"kind": "vae", "steps": 1, "widths": [1, 2], "kl_weight": 1},
        "beta_vae": {"kind": "vae", "steps": 1, "widths": [3], "kl_weight": 4},
    }
    changes = {"vae": {"steps": 2, "widths": [9]}, "gan": {"steps": 5}, "beta_vae": None}
    merged = lay_over({"models": models}, {"models": changes}, "here")
    assert merged["models"] == {
        "vae": {"kind": "vae", "steps": 2, "widths": [9], "kl_weight": 1},
        "beta_vae": models["beta_vae"],
    }


@pytest.mark.parametrize(
    ("overlay", "where", "received"),
    [
        (3, "here must map", "3"),
        ([1], "here must map", "[1]"),
        ({"models": {"gan": 4}}, "here.models.gan must map", "4"),
        (
            {"models": {"vea": {}}},
            "here.models must name kinds or models (nearest: 'vae')",
            "'vea'",
        ),
        (
            {"models": {"vae": {"stepz": 1}}},
            "here.models.vae must have keys among kind, st",
            "'stepz'",
        ),
        (
            {"training": {"stepz": 1}},
            "here.training must have keys among steps (nearest",
            "'stepz'",
        ),
    ],
)
def test_wrong_overlay_is_refused(overlay: Any, where: str, received: str) -> None:
    base = {"training": {"steps": 1}, "models": {"vae": {"kind": "vae", "steps": 1}}}
    with pytest.raises(InputError) as caught:
        lay_over(base, overlay, "here")
    assert caught.value.expected.startswith(where)
    assert caught.value.received == received
    assert caught.value.where.startswith("See here")


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("rate: 1e-3\nswitch: off\n")
    assert read_yaml(path) == {"rate": 0.001, "switch": "off"}


@pytest.mark.parametrize(
    ("content", "expected", "received"),
    [
        (None, "must be a file", "no such file"),
        ("a: [1", "must be YAML", ""),
        ("- a\n", "must map names to values", "list"),
    ],
)
def test_missing_and_broken_files_are_refused(
    tmp_path: Path, content: str | None, expected: str, received: str
) -> None:
    path = tmp_path / "some.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert caught.value.expected == f"{path} {expected}"
    assert received in ("", caught.value.received)
    assert "\n" not in str(caught.value)
