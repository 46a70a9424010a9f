"""Generated images against real ones, in the features of a classifier; several sets, each of a seed of its own."""

from typing import Any, NamedTuple

import numpy as np

from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.features import cache
from genlab.features.extractor import Extracted, Extractor
from genlab.imaging.arrays import to_uint8
from genlab.measurement.evidence import Samples
from genlab.metrics import memorisation
from genlab.runtime import workspace
from genlab.settings import seeds

NUM_PICTURES = 64
NUM_PAIRS = 16
SOURCES = {"prior": "no prior", "fitted": "no encoder, so no latents to fit a density to"}
"""What a model samples from, and what it lacks where it cannot."""
INCEPTION = "inception"
BLACK_AND_WHITE = "the model draws black-and-white images, and the features are of grey ones; see data.binarisation"
NO_INCEPTION = (
    "the published Inception graph is not given; see params.yaml: evaluation.inception.graph"
)
GIVES = Samples


class Space(NamedTuple):
    """One space of features, and what is the same for all sources and seeds there."""

    extractor: Extractor
    real: Extracted
    train: Extracted


def score(task: Task, scores: Scores) -> None:
    """Scores the samples from each source that the model has, in each space of features that there is."""
    spaces = {"": _space(task, task.extractor)}
    if task.inception:
        spaces[f"_{INCEPTION}"] = _space(task, task.inception)
    for source, lacks in SOURCES.items():
        if source not in task.model.sources():
            scores.skip(source, Samples, f"{task.kind} has {lacks}")
            continue
        if task.binarisation != "none":
            scores.pictures[f"{source}_samples"] = to_uint8(
                task.model.sample(NUM_PICTURES, task.seed, source)
            )
            scores.skip(source, Samples, BLACK_AND_WHITE)
            continue
        _score_source(task, scores, source, spaces)
        if not task.inception:
            scores.skipped[f"{task.split}/{source}_{INCEPTION}/frechet_distance"] = NO_INCEPTION


def facts_of(extractor: Extractor) -> dict[str, Any]:
    """Returns what a protocol says of the features."""
    return {
        name: extractor.settings.get(name) for name in ("name", "pinned", "task", "weights_sha256")
    }


def extract(extractor: Extractor, images: np.ndarray) -> Extracted:
    """Returns the features of real images, which are kept for the next model."""
    return cache.extract(extractor, images, workspace.state("features"))


def evidence(
    real: Extracted, generated: Extracted, train: Extracted | None, num_classes: int, seed: int
) -> Samples:
    """Returns what metrics of samples are given."""
    learned = train.features if train else None
    return Samples(
        real.features,
        generated.features,
        real.classes,
        generated.classes,
        num_classes,
        learned,
        seed,
    )


def halves(real: Extracted, seed: int) -> tuple[Extracted, Extracted]:
    """Returns one random half of real images, and the other, which is larger by one where their number is odd."""
    order = np.random.default_rng(seed).permutation(len(real.features))
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    return Extracted(real.features[first], real.classes[first]), Extracted(
        real.features[second], real.classes[second]
    )


def _space(task: Task, extractor: Extractor) -> Space:
    number = min(task.settings.num_images, len(task.real.images))
    return Space(
        extractor,
        extract(extractor, task.real.images[:number]),
        extract(extractor, task.train.images),
    )


def _score_source(task: Task, scores: Scores, source: str, spaces: dict[str, Space]) -> None:
    number, has_outliers = len(spaces[""].real.features), bool(len(task.held_out.labels))
    num_classes = {  # where classes are held out, the extractor tells some that the model does not know
        name: 0 if has_outliers else space.extractor.num_classes for name, space in spaces.items()
    }
    found: dict[str, list[Samples]] = {name: [] for name in spaces}
    for repeat in range(task.settings.num_repeats):
        seed = seeds.derive(task.seed, "samples", source, str(repeat))
        pictures = to_uint8(task.model.sample(number, seed, source))
        for name, (extractor, real, train) in spaces.items():
            dice = seeds.derive(seed, "metrics")
            found[name].append(
                evidence(real, extractor.extract(pictures), train, num_classes[name], dice)
            )
        if repeat == 0:
            _keep(task, scores, source, pictures, found[""][0])
    for name, space in spaces.items():
        protocol = task.protocol(
            number,
            num_generated=number,
            num_repeats=len(found[name]),
            num_train=len(space.train.features),
            quantisation="uint8",
            resize=space.extractor.settings.get("resize", "none"),
            features=facts_of(space.extractor),
        )
        scores.add(f"{source}{name}", found[name], protocol, "samples")


def _keep(task: Task, scores: Scores, source: str, pictures: np.ndarray, samples: Samples) -> None:
    """Keeps of the first set what the page shows."""
    scores.pictures[f"{source}_samples"] = pictures[:NUM_PICTURES]
    pairs = memorisation.closest_pairs(samples, NUM_PAIRS)
    side_by_side = np.stack([pictures[pairs.generated], task.train.images[pairs.train]], axis=1)
    scores.pictures.setdefault("closest_pairs", side_by_side.reshape(-1, *pictures.shape[1:]))
    if samples.num_classes:
        sets = {"real": samples.real_classes, source: samples.generated_classes}
        counts = {
            name: np.bincount(classes, minlength=samples.num_classes)
            for name, classes in sets.items()
        }
        scores.arrays.setdefault("class_histogram", {}).update(counts)
