"""Speed of the metrics' own computing: `python -m benchmarks.measuring distance`, or `covariance`, or `scores`.

It prints the seconds of our own way and, where there is one, of the way it is compared with, each the best of some.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from benchmarks import workloads
from genlab.numerics import gaussians

FEATURE_DIM, NUM_IMAGES = 2048, 50_000
SCORED_IMAGES, TRAIN_IMAGES, EXTRACTOR = 10_000, 55_000, "mnist-v1"
TRIES = 2


def distance() -> dict[str, float]:
    """Times the Fréchet distance of two Gaussians of full rank against the root of the covariances' product."""
    from scipy import linalg

    first, second = (
        gaussians.moments(_features(4 * FEATURE_DIM, FEATURE_DIM, seed)) for seed in range(2)
    )

    def root() -> float:
        product = linalg.sqrtm(first.covariance @ second.covariance)
        difference = first.mean - second.mean
        return difference @ difference + np.trace(
            first.covariance + second.covariance - 2 * product.real
        )

    seconds, value = _best(lambda: gaussians.frechet_distance(first, second), TRIES)
    others, expected = _best(root, 1)
    return {
        "seconds": seconds,
        "others_seconds": others,
        "relative_difference": abs(value / expected - 1),
    }


def covariance() -> dict[str, float]:
    """Times the moments of float32 features against the one product that they need, of float64 already centred."""
    features = _features(NUM_IMAGES, FEATURE_DIM, 0)
    seconds, _ = _best(lambda: gaussians.moments(features), TRIES)
    wide = features.astype(np.float64)
    others, _ = _best(lambda: wide.T @ wide, TRIES)
    return {"seconds": seconds, "others_seconds": others}


def scores() -> dict[str, float]:
    """Times what one set of samples costs: made by the dense VAE (untrained), taken features of, asked all metrics of.

    The features of the real images are there already: they are taken once per set of images.
    """
    from genlab.evaluation import Panel, samples
    from genlab.features import pinned
    from genlab.imaging.arrays import to_uint8
    from genlab.trained.model import TrainedModel

    chapter, settings = workloads.settings("vae")
    facts = {"image_shape": workloads.IMAGE_SHAPE, "settings": settings.model_dump(mode="json")}
    model, extractor = (
        TrainedModel(chapter.build(settings, workloads.IMAGE_SHAPE), facts, None),
        pinned.load(EXTRACTOR),
    )
    real, train = (
        extractor.extract(workloads.blobs(*each))
        for each in ((SCORED_IMAGES, 0), (TRAIN_IMAGES, 1))
    )
    panel = Panel(workloads.parameters("vae").evaluation.metrics)
    started = time.perf_counter()
    generated = extractor.extract(to_uint8(model.sample(SCORED_IMAGES, 0)))
    made = time.perf_counter()
    answers = list(panel.ask(samples.evidence(real, generated, train, extractor.num_classes, 0)))
    ended = time.perf_counter()
    return {
        "seconds": ended - started,
        "seconds_of_metrics": ended - made,
        "num_scores": len(answers),
    }


def _features(number: int, size: int, seed: int) -> np.ndarray:
    """Returns what looks like features after a ReLU whose dimensions go together, float32 (number, size)."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((size, size), np.float32) / np.float32(
        np.sqrt(size)
    )
    return np.maximum(generator.standard_normal((number, size), np.float32) @ mixing, 0)


def _best(compute: Callable[[], Any], tries: int) -> tuple[float, Any]:
    seconds = []
    for _ in range(tries):
        started = time.perf_counter()
        value = compute()
        seconds.append(time.perf_counter() - started)
    return min(seconds), value


TASKS = {"distance": distance, "covariance": covariance, "scores": scores}


@click.command()
@click.argument("task", type=click.Choice(list(TASKS)))
def main(task: str) -> None:
    """Measure one task and print it as JSON."""
    click.echo(json.dumps(TASKS[task]()))


if __name__ == "__main__":
    main()
