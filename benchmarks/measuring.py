"""Speed of the metrics: `python -m benchmarks.measuring distance`, or another of `TASKS`.

It prints the seconds of our way and of the way that it is compared with, each the best of some.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import workloads
from genlab.numerics import gaussians

FEATURE_DIM, NUM_IMAGES = 2048, 50_000
SCORED_IMAGES, TRAIN_IMAGES, EXTRACTOR = 10_000, 55_000, "mnist-v1"
PANEL = "mnist-v2"
TRIES = 2


def distance() -> dict[str, float]:
    """Times the Fréchet distance of two full-rank Gaussians against SciPy's matrix root."""
    from scipy import linalg

    features = (_features(4 * FEATURE_DIM, FEATURE_DIM, seed) for seed in range(2))
    first, second = map(gaussians.moments, features)

    def root() -> float:
        product = linalg.sqrtm(first.covariance @ second.covariance)
        difference = first.mean - second.mean
        remainder = first.covariance + second.covariance - 2 * product.real
        return difference @ difference + np.trace(remainder)

    seconds, value = _best(lambda: gaussians.frechet_distance(first, second), TRIES)
    others, expected = _best(root, 1)
    difference = abs(value / expected - 1)
    return {"seconds": seconds, "others_seconds": others, "relative_difference": difference}


def covariance() -> dict[str, float]:
    """Times the moments of float32 features against one product of the same size, float64."""
    features = _features(NUM_IMAGES, FEATURE_DIM, 0)
    seconds, _ = _best(lambda: gaussians.moments(features), TRIES)
    wide = features.astype(np.float64)
    others, _ = _best(lambda: wide.T @ wide, TRIES)
    return {"seconds": seconds, "others_seconds": others}


def scores() -> dict[str, float]:
    """Times one set of samples of the untrained dense VAE: samples, features, all metrics.

    The features of the real images are there already: they are taken once per data set.
    """
    from genlab.evaluation import Panel, samples
    from genlab.features import pinned
    from genlab.imaging.arrays import to_uint8
    from genlab.trained.model import TrainedModel

    untrained, (extractor,) = workloads.build("vae"), pinned.load(EXTRACTOR).values()
    model = TrainedModel(untrained, workloads.trained_settings(untrained, "vae"), None)
    real, train = (
        extractor.extract(workloads.blobs(number, seed))
        for seed, number in enumerate((SCORED_IMAGES, TRAIN_IMAGES))
    )
    panel = Panel(workloads.parameters("vae").evaluation.metrics)
    started = time.perf_counter()
    generated = extractor.extract(to_uint8(model.sample(SCORED_IMAGES, 0)))
    featured = time.perf_counter()
    evidence = samples.evidence(real, generated, train, extractor.num_classes, 0)
    (answers,) = panel.ask([evidence])
    ended = time.perf_counter()
    times = {"seconds": ended - started, "seconds_of_metrics": ended - featured}
    return times | {"num_scores": len(answers)}


def command() -> dict[str, float]:
    """Measures the processor time of a process that does what `genlab score` does, by a panel."""
    from genlab import scoring

    with tempfile.TemporaryDirectory() as folder:
        real, generated = Path(folder) / "real.npz", Path(folder) / "generated.npz"
        for seed, path in enumerate((real, generated)):
            np.savez(path, images=workloads.blobs(SCORED_IMAGES, seed))
        scores = scoring.score(
            scoring.Request(
                real, generated, None, PANEL, None, None, scoring.PARAMS, 0, False, None
            )
        )
    return {"seconds": time.process_time(), "num_scores": len(scores.metrics)}


def _features(number: int, size: int, seed: int) -> np.ndarray:
    """Returns correlated features as after a ReLU, float32 (number, size)."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((size, size), np.float32)
    mixing /= np.float32(np.sqrt(size))
    return np.maximum(generator.standard_normal((number, size), np.float32) @ mixing, 0)


def _best(compute: Callable[[], Any], tries: int) -> tuple[float, Any]:
    seconds = []
    for _ in range(tries):
        started = time.perf_counter()
        value = compute()
        seconds.append(time.perf_counter() - started)
    return min(seconds), value


TASKS = {"distance": distance, "covariance": covariance, "scores": scores, "command": command}


@click.command()
@click.argument("task", type=click.Choice(list(TASKS)))
def main(task: str) -> None:
    """Measure one task and print it as JSON."""
    click.echo(json.dumps(TASKS[task]()))


if __name__ == "__main__":
    main()
