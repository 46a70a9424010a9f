"""The rate-distortion curve of a VAE: one training for each weight of the KL.

Alemi et al., "Fixing a Broken ELBO", ICML 2018: the KL is the rate that the latents carry, -log p(images | latents) the
distortion of what is rebuilt from them; the weight chooses the point on the curve, and equal sums are equal bounds.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import genlab
from genlab import tracking, training
from genlab.evaluation.evidence_bound import evidence_bound
from genlab.imaging.arrays import Split, part_outliers, read_description, read_split
from genlab.networks import devices
from genlab.numerics import intervals
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings import seeds
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.workflows import recorded_training

WEIGHT = "kl_weight"


class Point(NamedTuple):
    """One model of the curve, measured on the test images at one posterior draw: nats per image, 95 % intervals."""

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
    params: Params,
    name: str,
    kl_weights: Sequence[float],
    steps: int | None,
    images: Path,
    features: Path,
    out: Path,
) -> list[Point]:
    """Writes `rate_distortion.csv`, `.png` and `.json` (the protocol), and the trained models beside them.

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
            f"the model must have a {WEIGHT}",
            f"{name} (kind {entry.get('kind')})",
            "See params.yaml: models",
        )
    variants = {
        weight: _with_weight(params, name, weight, steps) for weight in sorted(set(kl_weights))
    }
    for variant in variants.values():
        training.prepare(variant, name, images, features)  # what is wrong is said before hours pass
    facts = {WEIGHT: list(variants), "steps": steps or entry.get("steps")}
    with tracking.study_run(
        name="rate-distortion", model=name, kind=str(entry.get("kind")), params=facts
    ) as study:
        points = [
            _measure(variant, name, weight, images, features, out)
            for weight, variant in variants.items()
        ]
        _write_table(out / "rate_distortion.csv", points)
        _write_protocol(
            out / "rate_distortion.json", params, images, {"model": name, "steps": facts["steps"]}
        )
        _write_figure(
            out / "rate_distortion.png", points, f"{name} on {read_description(images)['name']}"
        )
        _track(study, points, out)
    return points


def _with_weight(params: Params, name: str, weight: float, steps: int | None) -> Params:
    changes: dict[str, Any] = {WEIGHT: weight} | ({"steps": steps} if steps else {})
    return params.model_copy(update={"models": {name: params.model(name) | changes}})


def _measure(
    params: Params, name: str, weight: float, images: Path, features: Path, out: Path
) -> Point:
    progress.note(f"rate-distortion: {WEIGHT} {weight:g}")
    folder = out / "models" / f"{weight:g}"
    job = training.prepare(params, name, images, features)
    recorded_training.run(job, folder, out / "timings" / f"{weight:g}")
    devices.configure("float32", params.training.deterministic)
    bound = evidence_bound(trained_model.load(folder), _test(images).images, _seed(params))
    rates, distortions = (
        bound.kls.sum(axis=1, dtype=np.float64),
        bound.reconstruction_losses.astype(np.float64),
    )
    found = (
        intervals.of_mean(each, _seed(params)) for each in (rates, distortions, rates + distortions)
    )
    return Point(
        weight, *(value for mean, span, _ in found for value in (mean, *(span or (mean, mean))))
    )


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


def _write_figure(path: Path, points: list[Point], title: str) -> None:
    """Draws distortion over rate, and the line of the best bound, along which their sum is equal."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(
        title=title, xlabel="Rate: KL, nats per image", ylabel="Distortion, nats per image"
    )
    axes.margins(x=0.1)  # room for the last number
    axes.plot([point.rate for point in points], [point.distortion for point in points], "o-")
    for point in points:
        axes.annotate(f" {point.kl_weight:g}", (point.rate, point.distortion))
    best = min(point.negative_elbo for point in points)
    rates = np.array([min(point.rate for point in points), max(point.rate for point in points)])
    axes.plot(rates, best - rates, "--", linewidth=1, label=f"negative ELBO {best:.1f}")
    axes.legend(title="Numbers: kl_weight")
    with replacing(path) as building:
        figure.savefig(
            building, format="png", dpi=150, metadata={"Software": None}
        )  # equal points, equal bytes


def _track(study: tracking.Run, points: list[Point], out: Path) -> None:
    for index, point in enumerate(points):
        study.log_metrics(
            {f"test/{field}": value for field, value in point._asdict().items()}, step=index
        )
    for name in ("rate_distortion.csv", "rate_distortion.json", "rate_distortion.png"):
        study.log_artifact(out / name)
