"""Agreement with other implementations to 10^-6: their values lie in `reference_values.json`, see the script there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_sets import DENSITY_NEIGHBOURS, NUM_GENERATED, PRECISION_NEIGHBOURS, ReferenceSets, make

from genlab.measures import Reconstructions, Samples
from genlab.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
    reconstruction_error,
    structural_similarity,
)

REFERENCE = json.loads((Path(__file__).parent / "reference_values.json").read_text())
VALUES: dict[str, dict[str, Any]] = REFERENCE["values"]


@pytest.fixture(scope="module")
def sets() -> ReferenceSets:
    found = make()
    assert found.checksum() == pytest.approx(REFERENCE["checksum"], rel=1e-6), "run make_reference_values.py again"
    return found


@pytest.fixture(scope="module")
def ours(sets: ReferenceSets) -> dict[str, Any]:
    classes = (np.zeros(len(features), np.int64) for features in (sets.real, sets.generated))
    samples = Samples(sets.real, sets.generated, *classes, num_classes=0)
    whole = Samples(sets.real[:NUM_GENERATED], sets.generated, *(samples.generated_classes,) * 2, num_classes=0)
    all_at_once = kernel_distance.Settings(num_subsets=1, subset_size=NUM_GENERATED)
    values: dict[str, Any] = {
        **frechet_distance.compute(samples, frechet_distance.Settings(num_sizes=2)),
        **kernel_distance.compute(whole, all_at_once),
        **precision_recall.compute(samples, precision_recall.Settings(num_neighbours=PRECISION_NEIGHBOURS)),
        **density_coverage.compute(samples, density_coverage.Settings(num_neighbours=DENSITY_NEIGHBOURS)),
    }
    for name, pictures in sets.pictures.items():
        pairs = Reconstructions(pictures, sets.reconstructions[name])
        values[f"structural_similarity_{name}"] = structural_similarity.compute(pairs)["structural_similarity"]
        values[f"psnr_{name}"] = reconstruction_error.compute(pairs)["psnr"]
        values[f"mse_{name}"] = reconstruction_error.compute(pairs)["mse"]
    return values


@pytest.mark.parametrize(("library", "name"), [(library, name) for library in VALUES for name in VALUES[library]])
def test_agrees(ours: dict[str, Any], library: str, name: str) -> None:
    assert ours[name] == pytest.approx(VALUES[library][name], rel=1e-6, abs=1e-9)


def test_versions_are_known_and_nothing_is_left_out() -> None:
    assert VALUES.keys() <= REFERENCE["versions"].keys()
    names = {name for values in VALUES.values() for name in values}
    assert names >= {"frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"}
    assert names >= {f"{name}_{kind}" for name in ("structural_similarity", "psnr") for kind in ("grey", "colour")}
