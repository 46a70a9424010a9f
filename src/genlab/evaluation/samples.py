"""Generated images against real ones, in the features of a classifier; several sets, each of a seed of its own."""

from typing import Any

import numpy as np

from genlab import seeds
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.feature_extractor import Extracted, FeatureExtractor
from genlab.images import to_uint8
from genlab.measures import Samples
from genlab.metrics import memorisation

NUM_PICTURES = 64
NUM_PAIRS = 16
SOURCES = {"prior": "no prior", "fitted": "no encoder, so no latents to fit a density to"}
"""What a model samples from, and what it lacks where it cannot."""


def score(task: Task, scores: Scores) -> None:
    """Scores the samples from each source that the model has."""
    number = min(task.settings.num_images, len(task.test.images))
    real, train = task.extractor.extract(task.test.images[:number]), task.extractor.extract(task.train.images)
    for source, lacks in SOURCES.items():
        if source in task.model.sources():
            _score_source(task, scores, source, real, train.features)
        else:
            scores.skip(source, Samples, f"{task.kind} has {lacks}")


def facts_of(extractor: FeatureExtractor) -> dict[str, Any]:
    """Returns what a protocol says of the features."""
    return {name: extractor.settings[name] for name in ("task", "weights_sha256")}


def evidence(real: Extracted, generated: Extracted, train: np.ndarray | None, num_classes: int, seed: int) -> Samples:
    """Returns what metrics of samples are given."""
    return Samples(real.features, generated.features, real.classes, generated.classes, num_classes, train, seed)


def _score_source(task: Task, scores: Scores, source: str, real: Extracted, train: np.ndarray) -> None:
    found: list[Samples] = []
    for repeat in range(task.settings.num_repeats):
        seed = seeds.derive(task.seed, "samples", source, str(repeat))
        pictures = to_uint8(task.model.sample(len(real.features), seed, source))
        found.append(evidence(real, task.extractor.extract(pictures), train, task.extractor.num_classes, seed))
        if repeat == 0:
            _keep(task, scores, source, pictures, found[0])
    more = {"num_generated": len(real.features), "num_repeats": len(found), "num_train": len(train)}
    protocol = task.protocol(len(real.features), quantisation="uint8", features=facts_of(task.extractor), **more)
    scores.add(source, found, protocol, "samples")


def _keep(task: Task, scores: Scores, source: str, pictures: np.ndarray, samples: Samples) -> None:
    """Keeps of the first set what the page shows."""
    scores.pictures[f"{source}_samples"] = pictures[:NUM_PICTURES]
    pairs = memorisation.closest_pairs(samples, NUM_PAIRS)
    side_by_side = np.stack([pictures[pairs.generated], task.train.images[pairs.train]], axis=1)
    scores.pictures.setdefault("closest_pairs", side_by_side.reshape(-1, *pictures.shape[1:]))
    if samples.num_classes:
        sets = {"real": samples.real_classes, source: samples.generated_classes}
        counts = {name: np.bincount(classes, minlength=samples.num_classes) for name, classes in sets.items()}
        scores.arrays.setdefault("class_histogram", {}).update(counts)
