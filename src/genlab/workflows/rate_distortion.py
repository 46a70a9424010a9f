"""The rate-distortion curve of a VAE: one training for each weight of the KL.

Alemi et al., "Fixing a Broken ELBO", ICML 2018: the KL is the rate that the latents carry,
-log p(images | latents) the distortion of what is rebuilt from them; the weight chooses the point
on the curve, and equal sums are equal bounds.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import genlab
from genlab import tracking, training
from genlab.evaluation.evidence_bound import evidence_bound
from genlab.features import judges
from genlab.imaging.arrays import Split, part_outliers, read_description, read_split
from genlab.networks import devices
from genlab.numerics import intervals
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.runtime.files import check_free, replacing
from genlab.settings import seeds
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.training import result
from genlab.workflows import recorded_training

WEIGHT = "kl_weight"
TABLE, PROTOCOL = "rate_distortion.csv", "rate_distortion.json"


@dataclass(frozen=True)
class Folders:
    """The data set, the judges (for `monitor: frechet_distance`), and the outputs."""

    images: Path
    features: Path
    out: Path


class Point(NamedTuple):
    """One model of the curve on the test images, nats per image, with 95 % intervals."""

    kl_weight: float
    rate: float
    rate_low: float
    rate_high: float
    distortion: float
    distortion_low: float
    distortion_high: float
    negative_elbo: float
    negative_elbo_low: float
    negative_elbo_high: float


def run(
    params: Params, name: str, kl_weights: Sequence[float], steps: int | None, folders: Folders
) -> list[Point]:
    """Writes the curve as a table, its protocol, and the trained models beside them.

    A weight whose training was finished before, here, with the same `train_key` is not trained
    again. The report draws the curve.

    Args:
        params: All parameters.
        name: A model in `params.yaml: models` that has a `kl_weight`.
        kl_weights: The weights, each once.
        steps: In place of the model's own.
        folders: Where the data lie, and where the outputs go.

    Raises:
        InputError: The model has no such weight, or a training cannot be run.
    """
    entry = params.model(name)
    kind = str(entry.get("kind"))
    if WEIGHT not in entry:
        expected = f"the model must have a {WEIGHT}"
        raise InputError(expected, f"{name} (kind {kind})", "See params.yaml: models")
    variants = {
        weight: _with_weight(params, name, weight, steps) for weight in sorted(set(kl_weights))
    }
    for weight in variants:
        check_free(_model_folder(folders, weight), result.KIND)
    for variant in variants.values():  # what is wrong stops here, before hours of training
        training.prepare(variant, name, folders.images, folders.features / judges.SELECTION)
    facts = {"model": name, "steps": steps or entry.get("steps")}
    settings = {WEIGHT: list(variants), "steps": facts["steps"]}
    with tracking.study_run(
        name="rate-distortion", model=name, kind=kind, params=settings
    ) as study:
        points = [_measure(variant, name, folders) for variant in variants.values()]
        _write_table(folders.out / TABLE, points)
        _write_protocol(folders.out / PROTOCOL, params, folders.images, facts)
        _track(study, points, folders.out)
    return points


def _with_weight(params: Params, name: str, weight: float, steps: int | None) -> Params:
    changes: dict[str, Any] = {WEIGHT: weight} | ({"steps": steps} if steps else {})
    return params.model_copy(update={"models": {name: params.model(name) | changes}})


def _measure(params: Params, name: str, folders: Folders) -> Point:
    weight = params.model(name)[WEIGHT]
    progress.note(f"rate-distortion: {WEIGHT} {weight:g}")
    model, timings = _model_folder(folders, weight), folders.out / "timings" / f"{weight:g}"
    job = training.prepare(params, name, folders.images, folders.features / judges.SELECTION)
    recorded_training.run(job, model, timings)
    devices.configure("float32", params.training.deterministic)
    images = _test(folders.images).images
    bound = evidence_bound(trained_model.load(model), images, _seed(params))
    rates = bound.kls.sum(axis=1, dtype=np.float64)
    distortions = bound.reconstruction_losses.astype(np.float64)
    numbers = []
    for values in (rates, distortions, rates + distortions):
        mean, span, _ = intervals.of_mean(values, _seed(params))
        numbers += [mean, *(span or (mean, mean))]
    return Point(weight, *numbers)


def _model_folder(folders: Folders, weight: float) -> Path:
    return folders.out / "models" / f"{weight:g}"


def _test(images: Path) -> Split:
    """Returns the test images of the classes that train has."""
    return part_outliers(read_split(images, "test"), read_description(images))[0]


def _seed(params: Params) -> int:
    return seeds.derive(params.seed, "evaluate")


def _write_table(path: Path, points: list[Point]) -> None:
    with replacing(path) as building, building.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Point._fields)
        writer.writerows(points)


def _write_protocol(path: Path, params: Params, images: Path, trained: dict[str, Any]) -> None:
    """Writes how the numbers of the table came about, what was trained included."""
    number, description = len(_test(images).labels), read_description(images)
    facts = trained | {
        "data": description["name"],
        "data_sha256": description["sha256"],
        "split": "test",
        "num_real": number,
        "num_posterior_draws": 1,
        "likelihood": "bernoulli",
        "binarisation": params.data.binarisation,
        "unit": "nats per image",
        "intervals": f"95 %, bootstrap over {number} images",
        "seed": _seed(params),
        "genlab_version": genlab.__version__,
    }
    with replacing(path) as building:
        building.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


def _track(study: tracking.Run, points: list[Point], out: Path) -> None:
    for index, point in enumerate(points):
        metrics = {f"test/{field}": value for field, value in point._asdict().items()}
        study.log_metrics(metrics, step=index)
    for name in (TABLE, PROTOCOL):
        study.log_artifact(out / name)
