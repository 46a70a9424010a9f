"""Asks other implementations for the values in `reference_values.json`; run by hand.

In an environment of its own, since none of these is a dependency of ours:

    pip install torch==2.13.0 torch-fidelity pytorch-fid prdc scikit-image scipy scikit-learn
    python tests/agreement/make_reference_values.py
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
from reference_sets import (
    DENSITY_NEIGHBOURS,
    NUM_GENERATED,
    PRECISION_NEIGHBOURS,
    ReferenceSets,
    make,
)

OUT = Path(__file__).parent / "reference_values.json"
OTHERS = ("torch", "numpy", "scipy", "scikit-learn")
PARTS = ("", ".datasets", ".models", ".transforms", ".transforms.functional")


def pytorch_fid(sets: ReferenceSets) -> dict[str, Any]:
    from pytorch_fid.fid_score import calculate_frechet_distance

    moments = []
    for features in (sets.real, sets.generated):
        moments += [features.mean(axis=0), np.cov(features, rowvar=False)]
    return {"frechet_distance": float(calculate_frechet_distance(*moments))}


def torch_fidelity(sets: ReferenceSets) -> dict[str, Any]:
    import torch
    from torch_fidelity import metric_fid, metric_kid, metric_prc

    real, generated = torch.from_numpy(sets.real), torch.from_numpy(sets.generated)
    statistics = (metric_fid.fid_features_to_statistics(part) for part in (real, generated))
    distance = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    subset = {"kid_subsets": 1, "kid_subset_size": NUM_GENERATED}  # all images
    kernel = metric_kid.kid_features_to_metric(
        real[:NUM_GENERATED], generated, **subset, verbose=False
    )
    regions = metric_prc.prc_features_to_metric(
        generated, real, prc_neighborhood=PRECISION_NEIGHBOURS, verbose=False
    )
    return {
        "frechet_distance": distance[metric_fid.KEY_METRIC_FID],
        "kernel_distance": float(kernel[metric_kid.KEY_METRIC_KID_MEAN]),
        "precision": regions[metric_prc.KEY_METRIC_PRECISION],
        "recall": regions[metric_prc.KEY_METRIC_RECALL],
    }


def prdc(sets: ReferenceSets) -> dict[str, Any]:
    from prdc import compute_prdc

    few = compute_prdc(sets.real, sets.generated, PRECISION_NEIGHBOURS)
    more = compute_prdc(sets.real, sets.generated, DENSITY_NEIGHBOURS)
    values = {name: few[name] for name in ("precision", "recall")}
    values |= {name: more[name] for name in ("density", "coverage")}
    return {name: float(value) for name, value in values.items()}


def scikit_image(sets: ReferenceSets) -> dict[str, Any]:
    from skimage import metrics

    values: dict[str, Any] = {}
    as_wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    scale = {"data_range": 1.0}
    for name, pictures in sets.pictures.items():
        wide = (array.astype(np.float64) for array in (pictures, sets.reconstructions[name]))
        pairs = list(zip(*wide, strict=True))
        values[f"structural_similarity_{name}"] = [
            float(metrics.structural_similarity(*pair, channel_axis=-1, **as_wang, **scale))
            for pair in pairs
        ]
        values[f"psnr_{name}"] = [
            float(metrics.peak_signal_noise_ratio(*pair, **scale)) for pair in pairs
        ]
        values[f"mse_{name}"] = [float(metrics.mean_squared_error(*pair)) for pair in pairs]
    return values


LIBRARIES = {
    "pytorch-fid": pytorch_fid,
    "torch-fidelity": torch_fidelity,
    "prdc": prdc,
    "scikit-image": scikit_image,
}


def main() -> None:
    """Writes the values, the versions, and the checksum of the sets."""
    for part in PARTS:  # imported for networks that are not used here
        sys.modules[f"torchvision{part}"] = MagicMock()
    sets = make()
    values = {library: ask(sets) for library, ask in LIBRARIES.items()}
    versions = {name: version(name) for name in (*LIBRARIES, *OTHERS)}
    content = {"versions": versions, "checksum": sets.checksum(), "values": values}
    OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
