"""Stage `features`: the panel of judges that distances between sets of images are measured on."""

import json
from pathlib import Path

from genlab.features import classifier, judges, pinned
from genlab.imaging.arrays import part_outliers, read_description, read_split
from genlab.networks import devices
from genlab.runtime import progress
from genlab.runtime.files import FolderKind, replacing
from genlab.settings import seeds
from genlab.settings.params import Params

METRICS = "metrics.json"
KIND = FolderKind("a panel of judges", (METRICS, *judges.FILES))


def run(params: Params, images: Path, out: Path) -> None:
    """Writes the judges of both roles and `metrics.json`, their accuracies, to `out`, as a whole.

    The panel is the pinned one that `params.features.extractor` means, or a newly trained one.

    Raises:
        InputError: `out` holds something else, or there is no such panel.
    """
    with replacing(out, KIND) as building:
        building.mkdir()
        devices.configure("float32", deterministic=True)
        name = _make(params, images, building)
        known = {role: judges.facts(building / role) for role in judges.ROLES}
        metrics = {
            f"test/accuracy/{role}/{judge}": facts["test_accuracy"]
            for role, by_name in known.items()
            for judge, facts in by_name.items()
        }
        (building / METRICS).write_text(json.dumps(metrics, indent=2) + "\n")
    kind = f"pinned {name}" if name else "trained by params.yaml: features"
    reporting = known[judges.REPORTING]
    task = next(iter(reporting.values()))["task"]
    accuracies = (f"{judge} {facts['test_accuracy']:.4f}" for judge, facts in reporting.items())
    progress.note(f"features: {kind}, task {task}, test accuracies: {', '.join(accuracies)}")


def _make(params: Params, images: Path, out: Path) -> str | None:
    """Writes the judges to `out`; returns the name of the pinned panel, if it is one."""
    description, test = read_description(images), read_split(images, "test")
    name = pinned.choose(params.features.extractor, description["name"], test.images)
    if name is not None:
        pinned.copy(name, out)
        return name
    progress.note(f"features: training judges, {params.features.steps} steps each")
    known, _ = part_outliers(test, description)
    lessons = judges.Lessons(read_split(images, "train"), known, len(description["class_names"]))
    judges.train(params.features, lessons, seeds.derive(params.seed, "features"), out)
    for settings in out.rglob(classifier.SETTINGS):
        facts = {"pinned": None, **classifier.read_settings(settings.parent)}
        classifier.write_settings(settings.parent, facts)
    return None
