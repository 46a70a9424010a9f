"""Our values on the reference sets; run by hand, it prints them beside those of others.

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

from genlab.contract.evidence import Reconstructions, Samples
from genlab.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
    reconstruction_error,
    structural_similarity,
)

REFERENCE = json.loads((Path(__file__).parent / "reference_values.json").read_text())
SETTINGS = {
    frechet_distance: {"num_sizes": 2},
    precision_recall: {"num_neighbours": PRECISION_NEIGHBOURS},
    density_coverage: {"num_neighbours": DENSITY_NEIGHBOURS},
    kernel_distance: {"num_subsets": 1, "subset_size": NUM_GENERATED},
}


def compute(sets: ReferenceSets) -> dict[str, Any]:
    """Returns our values by name: numbers, or arrays with one number per picture."""
    values: dict[str, Any] = {}
    for module, settings in SETTINGS.items():
        real = sets.real[:NUM_GENERATED] if module is kernel_distance else sets.real
        classes = (np.zeros(len(features), np.int64) for features in (real, sets.generated))
        samples = Samples(real, sets.generated, *classes, num_classes=0)
        values |= module.compute(samples, module.Settings(**settings))
    for name, pictures in sets.pictures.items():
        pairs = Reconstructions(pictures, sets.reconstructions[name])
        of_pictures = reconstruction_error.compute(pairs) | structural_similarity.compute(pairs)
        values |= {f"{metric}_{name}": numbers for metric, numbers in of_pictures.items()}
    return values


def main() -> None:
    """Prints a row per value; of pictures the mean, and the largest difference."""
    ours = compute(make())
    print("| value | ours | theirs | difference | by |\n| --- | --- | --- | --- | --- |")
    for library, values in REFERENCE["values"].items():
        for name, theirs in values.items():
            difference = np.abs(np.subtract(ours[name], theirs)).max()
            means = f"{np.mean(ours[name]):.10g} | {np.mean(theirs):.10g}"
            by = f"{library} {REFERENCE['versions'][library]}"
            print(f"| `{name}` | {means} | {difference:.1e} | {by} |")


if __name__ == "__main__":
    main()
