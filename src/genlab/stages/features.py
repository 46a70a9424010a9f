"""The feature extractor that distances between sets of images are measured on: pinned, or trained here."""

import json
from pathlib import Path

from genlab.features import classifier, pinned
from genlab.imaging.arrays import part_outliers, read_description, read_split
from genlab.networks import devices
from genlab.runtime import progress
from genlab.runtime.files import replacing
from genlab.settings import seeds
from genlab.settings.params import Params


def run(params: Params, images: Path, out: Path) -> None:
    """Writes weights, settings and `metrics.json` to `out`, as a whole.

    The extractor is the pinned one that `params.features.extractor` means, else it is trained by the recipe there.
    """
    devices.configure("float32", deterministic=True)
    with replacing(out) as building:
        building.mkdir()
        _make(params, images, building)
        metrics = {"test/accuracy": classifier.read_settings(building)["test_accuracy"]}
        (building / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def _make(params: Params, images: Path, out: Path) -> None:
    """Writes the extractor's weights and settings to `out` and says which one it is."""
    description, train = read_description(images), read_split(images, "train")
    test, _ = part_outliers(read_split(images, "test"), description)
    name = pinned.choose(
        params.features.extractor, description["name"], read_split(images, "test").images
    )
    if name is None:
        progress.note(f"features: training an extractor, {params.features.steps} steps")
        seed = seeds.derive(params.seed, "features")
        classifier.train(params.features, train, test, len(description["class_names"]), seed, out)
        classifier.write_settings(out, {"pinned": None, **classifier.read_settings(out)})
    else:
        pinned.copy(name, out)
    facts = classifier.read_settings(out)
    kind = f"pinned {name}" if name else "trained by params.yaml: features"
    progress.note(
        f"features: {kind}, task {facts['task']}, test accuracy {facts['test_accuracy']:.4f}"
    )
