"""The feature extractor that distances between sets of images are measured on: pinned, or trained here."""

import json
from pathlib import Path

from genlab import devices, feature_extractor, pinned, progress, seeds
from genlab.files import replacing
from genlab.images import part_outliers, read_description, read_split
from genlab.params import Params


def run(params: Params, images: Path, out: Path) -> None:
    """Writes weights, settings and `metrics.json` to `out`, as a whole.

    The extractor is the pinned one that `params.features.extractor` means, else it is trained by the recipe there.
    """
    devices.configure("float32", deterministic=True)
    with replacing(out) as building:
        building.mkdir()
        _make(params, images, building)
        metrics = {"test/accuracy": feature_extractor.read_settings(building)["test_accuracy"]}
        (building / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def _make(params: Params, images: Path, out: Path) -> None:
    """Writes the extractor's weights and settings to `out` and says which one it is."""
    description, train = read_description(images), read_split(images, "train")
    test, _ = part_outliers(read_split(images, "test"), description)
    name = pinned.choose(params.features.extractor, description["name"], read_split(images, "test").images)
    if name is None:
        progress.note(f"features: training an extractor, {params.features.steps} steps")
        seed = seeds.derive(params.seed, "features")
        feature_extractor.train(params.features, train, test, len(description["class_names"]), seed, out)
        feature_extractor.write_settings(out, {"pinned": None, **feature_extractor.read_settings(out)})
    else:
        pinned.copy(name, out)
    facts = feature_extractor.read_settings(out)
    kind = f"pinned {name}" if name else "trained by params.yaml: features"
    progress.note(f"features: {kind}, task {facts['task']}, test accuracy {facts['test_accuracy']:.4f}")
