"""Stage `features`: the network that distances between sets of images are measured on."""

import json
from pathlib import Path

from genlab.features import classifier, pinned
from genlab.imaging.arrays import part_outliers, read_description, read_split
from genlab.networks import devices
from genlab.runtime import progress
from genlab.runtime.files import FolderKind, replacing
from genlab.settings import seeds
from genlab.settings.params import Params

KIND = FolderKind("a feature extractor", (classifier.WEIGHTS, classifier.SETTINGS, "metrics.json"))


def run(params: Params, images: Path, out: Path) -> None:
    """Writes weights, settings and `metrics.json` to `out`, as a whole.

    The network is the pinned one that `params.features.extractor` means, or a newly trained one.

    Raises:
        InputError: `out` holds something else, or there is no such extractor.
    """
    with replacing(out, KIND) as building:
        building.mkdir()
        devices.configure("float32", deterministic=True)
        name = _make(params, images, building)
        facts = classifier.read_settings(building)
        metrics = {"test/accuracy": facts["test_accuracy"]}
        (building / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    kind = f"pinned {name}" if name else "trained by params.yaml: features"
    accuracy = f"test accuracy {facts['test_accuracy']:.4f}"
    progress.note(f"features: {kind}, task {facts['task']}, {accuracy}")


def _make(params: Params, images: Path, out: Path) -> str | None:
    """Writes weights and settings to `out`; returns the name of the pinned network, if any."""
    description, test = read_description(images), read_split(images, "test")
    name = pinned.choose(params.features.extractor, description["name"], test.images)
    if name is not None:
        pinned.copy(name, out)
        return name
    progress.note(f"features: training an extractor, {params.features.steps} steps")
    known, _ = part_outliers(test, description)
    splits = (read_split(images, "train"), known)
    num_classes = len(description["class_names"])
    seed = seeds.derive(params.seed, "features")
    classifier.train(params.features, *splits, num_classes, seed, out)
    classifier.write_settings(out, {"pinned": None, **classifier.read_settings(out)})
    return None
