"""Trains the feature extractor that distances between sets of images are measured on."""

import json
from pathlib import Path

from genlab import devices, feature_extractor, seeds
from genlab.files import replacing
from genlab.images import read_description, read_split
from genlab.params import Params


def run(params: Params, images: Path, out: Path) -> None:
    """Writes weights, settings and `metrics.json` to `out`, as a whole."""
    devices.configure("float32", deterministic=True)
    seed = seeds.derive(params.seed, "features")
    train, test = read_split(images, "train"), read_split(images, "test")
    num_classes = len(read_description(images)["class_names"])
    with replacing(out) as building:
        building.mkdir()
        feature_extractor.train(params.features, train, test, num_classes, seed, building)
        metrics = {"test/accuracy": feature_extractor.read_settings(building)["test_accuracy"]}
        (building / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
