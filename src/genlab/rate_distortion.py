"""The rate-distortion curve of a VAE: one training for each weight of the KL.

Alemi et al., "Fixing a Broken ELBO", ICML 2018: the KL is the rate that the latents carry, -log p(images | latents) the
distortion of what is rebuilt from them; the weight chooses the point on the curve, and equal sums are equal bounds.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genlab import devices, seeds, tracking, trained_model, training
from genlab.errors import InputError
from genlab.evaluation.evidence_bound import evidence_bound
from genlab.files import replacing
from genlab.images import part_outliers, read_description, read_split
from genlab.params import Params
from genlab.stages import train

WEIGHT = "kl_weight"


class Point(NamedTuple):
    """One model of the curve, measured on the test images at one posterior draw: nats per image."""

    kl_weight: float
    rate: float
    distortion: float
    negative_elbo: float


def run(
    params: Params,
    name: str,
    kl_weights: Sequence[float],
    steps: int | None,
    images: Path,
    features: Path,
    out: Path,
) -> list[Point]:
    """Writes `rate_distortion.csv` and `rate_distortion.png`, and the trained models beside them.

    A weight whose training was finished before, here, with the same `train_key` is not trained again.

    Args:
        params: All parameters.
        name: A model in `params.yaml: models` that has a `kl_weight`.
        kl_weights: The weights, each once.
        steps: In place of the model's own.
        images: The fetched data set.
        features: The feature extractor's folder, for `monitor: frechet_distance`.
        out: A folder for what is written.

    Raises:
        InputError: The model has no such weight, or a training cannot be run.
    """
    entry = params.model(name)
    if WEIGHT not in entry:
        raise InputError(
            f"the model must have a {WEIGHT}. Received: {name} (kind {entry.get('kind')}). See params.yaml: models."
        )
    variants = {weight: _with_weight(params, name, weight, steps) for weight in sorted(set(kl_weights))}
    for variant in variants.values():
        training.prepare(variant, name, images, features)  # what is wrong is said before hours pass
    facts = {WEIGHT: list(variants), "steps": steps or entry.get("steps")}
    with tracking.study_run(name="rate-distortion", model=name, kind=str(entry.get("kind")), params=facts) as study:
        points = [_measure(variant, name, weight, images, features, out) for weight, variant in variants.items()]
        _write_table(out / "rate_distortion.csv", points)
        _write_figure(out / "rate_distortion.png", points, f"{name} on {read_description(images)['name']}")
        _track(study, points, out)
    return points


def _with_weight(params: Params, name: str, weight: float, steps: int | None) -> Params:
    changes: dict[str, Any] = {WEIGHT: weight} | ({"steps": steps} if steps else {})
    return params.model_copy(update={"models": {name: params.model(name) | changes}})


def _measure(params: Params, name: str, weight: float, images: Path, features: Path, out: Path) -> Point:
    folder = out / "models" / f"{weight:g}"
    train.run(params, name, images, features, folder, out / "timings" / f"{weight:g}")
    devices.configure("float32", params.training.deterministic)
    test, _ = part_outliers(read_split(images, "test"), read_description(images))
    bound = evidence_bound(trained_model.load(folder), test.images, seeds.derive(params.seed, "evaluate"))
    rate = float(bound.kls.sum(axis=1).mean(dtype=np.float64))
    distortion = float(bound.reconstruction_losses.mean(dtype=np.float64))
    return Point(weight, rate, distortion, rate + distortion)


def _write_table(path: Path, points: list[Point]) -> None:
    with replacing(path) as building, building.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Point._fields)
        writer.writerows(points)


def _write_figure(path: Path, points: list[Point], title: str) -> None:
    """Draws distortion over rate, and the line of the best bound, along which their sum is equal."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(title=title, xlabel="Rate: KL, nats per image", ylabel="Distortion, nats per image")
    axes.plot([point.rate for point in points], [point.distortion for point in points], "o-")
    for point in points:
        axes.annotate(f" {point.kl_weight:g}", (point.rate, point.distortion))
    best = min(point.negative_elbo for point in points)
    rates = np.array([min(point.rate for point in points), max(point.rate for point in points)])
    axes.plot(rates, best - rates, "--", linewidth=1, label=f"negative ELBO {best:.1f}")
    axes.legend(title="Numbers: kl_weight")
    with replacing(path) as building:
        figure.savefig(building, format="png", dpi=150, metadata={"Software": None})  # equal points, equal bytes


def _track(study: tracking.Run, points: list[Point], out: Path) -> None:
    for index, point in enumerate(points):
        study.log_metrics({f"test/{field}": value for field, value in point._asdict().items()}, step=index)
    for name in ("rate_distortion.csv", "rate_distortion.png"):
        study.log_artifact(out / name)
