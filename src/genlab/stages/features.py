"""The feature extractor that distances are measured on, pinned or trained here, and its real-against-real floor."""

import json
import sys
from pathlib import Path

import numpy as np

from genlab import devices, feature_extractor, gaussians, pinned, seeds
from genlab.files import replacing
from genlab.images import read_description, read_split
from genlab.params import Params


def run(params: Params, images: Path, out: Path) -> None:
    """Writes weights, settings and `metrics.json` to `out`, as a whole.

    The extractor is the pinned one that `params.features.extractor` means, else it is trained by the recipe there.
    The floor is the Fréchet distance of as many real train images as are evaluated to the test images: what a perfect
    generator would score.
    """
    devices.configure("float32", deterministic=True)
    seed = seeds.derive(params.seed, "features")
    train, test = read_split(images, "train"), read_split(images, "test")
    number = min(params.evaluation.num_images, len(test.images), len(train.images))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(train.images))[:number])
    with replacing(out) as building:
        building.mkdir()
        _make(params, images, seed, building)
        extractor = feature_extractor.load(building)
        real, other = (extractor.extract(part).features for part in (test.images[:number], train.images[chosen]))
        metrics = {
            "test/accuracy": extractor.settings["test_accuracy"],
            "test/floor/frechet_distance": gaussians.frechet_distance_of_features(real, other),
        }
        (building / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def _make(params: Params, images: Path, seed: int, out: Path) -> None:
    """Writes the extractor's weights and settings to `out` and says which one it is."""
    description, (train, test) = read_description(images), (read_split(images, split) for split in ("train", "test"))
    name = pinned.choose(params.features.extractor, description["name"], train.images.shape[1:])
    if name is None:
        feature_extractor.train(params.features, train, test, len(description["class_names"]), seed, out)
        feature_extractor.write_settings(out, {"pinned": None, **feature_extractor.read_settings(out)})
    else:
        pinned.copy(name, out)
    facts = feature_extractor.read_settings(out)
    kind = f"pinned {name}" if name else "trained by params.yaml: features"
    print(f"features: {kind}, task {facts['task']}, test accuracy {facts['test_accuracy']:.4f}", file=sys.stderr)
