"""Sets of images that are worse step by step, to see what a distance makes of them."""

from pathlib import Path

import numpy as np
from fixtures_models import ROOT
from scipy import ndimage

from genlab.data import splitting
from genlab.features.extractor import Extractor
from genlab.imaging.arrays import Split, to_uint8
from genlab.numerics.gaussians import frechet_distance_of_features
from genlab.settings import params, plugins

NOISE = (32, 48, 64, 96, 128)
"""Deviations in grey values; less is lost in the distance of 360 digits from 360 others."""
BLUR = (0.5, 0.75, 1.0, 1.5, 2.5)
"""Deviations in pixels."""


def noisy(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def blurred(images: np.ndarray, deviation: float) -> np.ndarray:
    floats = images.astype(np.float32) / 255
    return to_uint8(ndimage.gaussian_filter(floats, (0, deviation, deviation, 0)))


def distances(extractor: Extractor, real: np.ndarray, others: np.ndarray) -> dict[str, list[float]]:
    """Returns by kind the distances of `others` to `real`, as they are and worse step by step."""
    features = extractor.extract(real).features
    ladders = {
        "noise": [others, *(noisy(others, deviation) for deviation in NOISE)],
        "blur": [others, *(blurred(others, deviation) for deviation in BLUR)],
    }
    return {
        kind: [
            frechet_distance_of_features(features, extractor.extract(images).features)
            for images in sets
        ]
        for kind, sets in ladders.items()
    }


def read(name: str, directory: Path, seed: int) -> dict[str, Split]:
    """Returns a data set's train and test images as `fetch` splits them, without validation."""
    data = params.load(ROOT / "params.yaml", name, "default").data
    raw = plugins.find("datasets", name, "tests").read(directory, data, seed)
    train, test = (Split(part["images"], part["labels"]) for part in (raw.train, raw.test))
    rows = [not splitting.chosen(image, data.validation_share, seed) for image in train.images]
    return {"train": Split(train.images[rows], train.labels[rows]), "test": test}
