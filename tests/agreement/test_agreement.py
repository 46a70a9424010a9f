"""Agreement with other implementations to 10^-6; `make_reference_values.py` stored theirs."""

from typing import Any

import our_values
import pytest
from our_values import REFERENCE
from reference_sets import make

VALUES: dict[str, dict[str, Any]] = REFERENCE["values"]


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    sets = make()
    why = "run make_reference_values.py again"
    assert sets.checksum() == pytest.approx(REFERENCE["checksum"], rel=1e-6), why
    return our_values.compute(sets)


@pytest.mark.parametrize(
    ("library", "name"), [(library, name) for library in VALUES for name in VALUES[library]]
)
def test_agrees(ours: dict[str, Any], library: str, name: str) -> None:
    assert ours[name] == pytest.approx(VALUES[library][name], rel=1e-6, abs=1e-9)


def test_versions_are_known_and_nothing_is_left_out() -> None:
    assert VALUES.keys() <= REFERENCE["versions"].keys()
    names = {name for values in VALUES.values() for name in values}
    assert names >= {"frechet_distance", "kernel_distance", "precision", "recall"}
    assert names >= {"density", "coverage", "psnr_grey", "structural_similarity_colour"}
