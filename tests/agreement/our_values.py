"""Our values on the reference sets; run by hand, it prints them beside those of the other implementations.

PYTHONPATH=src python tests/agreement/our_values.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from reference_sets import (
    DENSITY_NEIGHBOURS,
    NUM_GENERATED,
    PRECISION_NEIGHBOURS,
    ReferenceSets,
    make,
)

from genlab.measurement.evidence import Reconstructions, Samples
from genlab.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
    reconstruction_error,
    structural_similarity,
)

REFERENCE = json.loads((Path(__file__).parent / "reference_values.json").read_text())


def compute(sets: ReferenceSets) -> dict[str, Any]:
    """Returns our values by name: numbers, or arrays with one number per picture."""
    classes = (np.zeros(len(features), np.int64) for features in (sets.real, sets.generated))
    samples = Samples(sets.real, sets.generated, *classes, num_classes=0)
    whole = Samples(
        sets.real[:NUM_GENERATED], sets.generated, *(samples.generated_classes,) * 2, num_classes=0
    )
    all_at_once = kernel_distance.Settings(num_subsets=1, subset_size=NUM_GENERATED)
    values: dict[str, Any] = {
        **frechet_distance.compute(samples, frechet_distance.Settings(num_sizes=2)),
        **kernel_distance.compute(whole, all_at_once),
        **precision_recall.compute(
            samples, precision_recall.Settings(num_neighbours=PRECISION_NEIGHBOURS)
        ),
        **density_coverage.compute(
            samples, density_coverage.Settings(num_neighbours=DENSITY_NEIGHBOURS)
        ),
    }
    for name, pictures in sets.pictures.items():
        pairs = Reconstructions(pictures, sets.reconstructions[name])
        values[f"structural_similarity_{name}"] = structural_similarity.compute(pairs)[
            "structural_similarity"
        ]
        values[f"psnr_{name}"] = reconstruction_error.compute(pairs)["psnr"]
        values[f"mse_{name}"] = reconstruction_error.compute(pairs)["mse"]
    return values


def main() -> None:
    """Prints a row per value: ours, theirs, the difference; of pictures the mean, and the largest difference."""
    ours = compute(make())
    print("| value | ours | the other | difference | by |\n| --- | --- | --- | --- | --- |")
    for library, values in REFERENCE["values"].items():
        for name, theirs in values.items():
            difference = np.abs(np.subtract(ours[name], theirs)).max()
            label = (
                f"`{name}` | {np.mean(ours[name]):.10g} | {np.mean(theirs):.10g} | {difference:.1e}"
            )
            print(f"| {label} | {library} {REFERENCE['versions'][library]} |")


if __name__ == "__main__":
    main()
