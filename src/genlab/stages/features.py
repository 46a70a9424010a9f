"""Trains the feature extractor that Fréchet distances are measured on, and measures its real-against-real floor."""

import json
from pathlib import Path

import numpy as np

from genlab import devices, feature_extractor, gaussians, seeds
from genlab.files import replacing
from genlab.images import read_description, read_split
from genlab.params import Params


def run(params: Params, images: Path, out: Path) -> None:
    """Writes weights, settings and `metrics.json` to `out`, as a whole.

    The floor is the Fréchet distance of as many real train images as are evaluated to the test images: what a perfect
    generator would score.
    """
    devices.configure("float32", deterministic=True)
    seed = seeds.derive(params.seed, "features")
    train, test = read_split(images, "train"), read_split(images, "test")
    num_classes = len(read_description(images)["class_names"])
    number = min(params.evaluation.num_images, len(test.images), len(train.images))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(train.images))[:number])
    with replacing(out) as building:
        building.mkdir()
        feature_extractor.train(params.features, train, test, num_classes, seed, building)
        extractor = feature_extractor.load(building)
        real, other = (extractor.extract(part).features for part in (test.images[:number], train.images[chosen]))
        metrics = {
            "test/accuracy": extractor.settings["test_accuracy"],
            "test/floor/frechet_distance": gaussians.frechet_distance_of_features(real, other),
        }
        (building / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
