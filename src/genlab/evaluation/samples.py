"""Generated images against real ones, in the features of several judges; several sets by seed."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from genlab.contract.evidence import Samples
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.features import judges
from genlab.features.extractor import Extracted, Extractor
from genlab.features.judges import Judge
from genlab.imaging.arrays import to_uint8
from genlab.metrics import memorisation
from genlab.runtime import workspace
from genlab.settings import seeds
from genlab.trained.generators import FITTED, PRIOR, TRANSLATION

NUM_PICTURES = 64
NUM_PAIRS = 16
SOURCES = {
    PRIOR: "no prior",
    FITTED: "no encoder, so no latents to fit a density to",
    TRANSLATION: "",
}
"""What a model samples from, and what it lacks where it cannot; only translators translate."""
INCEPTION = "inception"
BLACK_AND_WHITE = (
    "the model draws black-and-white images, and the features are of grey ones; "
    "see data.binarisation"
)
NO_INCEPTION = (
    "the published Inception graph is not given; see params.yaml: evaluation.inception.graph"
)
GIVES = Samples


class FeatureSpace(NamedTuple):
    """Judges that are asked together, and the train images as they see them, by judge."""

    judges: tuple[Judge, ...]
    train: dict[str, Extracted]


def score(task: Task, scores: Scores) -> None:
    """Scores the samples from each source of the model, in each space of features."""
    extractors = {"": task.judges}
    if task.inception:
        extractors[f"_{INCEPTION}"] = {INCEPTION: task.inception}
    spaces = {name: _space(task, judges) for name, judges in extractors.items()}
    for source, lack in SOURCES.items():
        if source not in task.model.sources():
            if lack:
                scores.skip(source, Samples, f"{task.model.kind} has {lack}")
        elif task.binarisation != "none":
            pictures = to_uint8(generate(task, source, NUM_PICTURES, task.seed))
            scores.pictures[f"{source}_samples"] = pictures
            scores.skip(source, Samples, BLACK_AND_WHITE)
        else:
            _score_source(task, scores, source, spaces)
            if not task.inception:
                scores.skipped[f"{task.split}/{source}_{INCEPTION}/frechet_distance"] = NO_INCEPTION


def generate(task: Task, source: str, num_images: int, seed: int) -> np.ndarray:
    """Returns images of one source, float32 NHWC in [0, 1], given the split's own rows."""
    given = task.given(task.model.generator(source).given, num_images)
    return task.model.sample(num_images, seed, source, given)


def facts_of(panel: Iterable[Judge]) -> dict[str, Any]:
    """Returns what a protocol says of the features, and of the images before they are taken."""
    names = ("pinned", "task", "weights_sha256")
    resizes = {judge.extractor.settings.get("resize", "none") for judge in panel}
    return {
        "quantisation": "uint8",
        "resize": ", ".join(sorted(resizes)),
        "features": {
            judge.name: {name: judge.extractor.settings.get(name) for name in names}
            | {"scaled": judge.extractor.is_scaled}
            for judge in panel
        },
    }


def judges_of(extractors: Mapping[str, Extractor], images: np.ndarray) -> tuple[Judge, ...]:
    """Returns the judges beside these real images, whose features are kept for the next model."""
    folder = workspace.state("features")
    return tuple(judges.beside(*named, images, folder) for named in extractors.items())


def extract(judge: Judge, images: np.ndarray) -> Extracted:
    """Returns the features of more real images, which are kept, too."""
    return judge.extract(images, workspace.state("features"))


def evidence(
    real: Extracted,
    generated: Extracted,
    train: Extracted | None,
    num_classes: int,
    seed: int,
    asked_classes: np.ndarray | None = None,
) -> Samples:
    """Returns what metrics of samples are given."""
    return Samples(
        real.features,
        generated.features,
        real.classes,
        generated.classes,
        num_classes,
        train.features if train else None,
        seed,
        asked_classes=asked_classes,
    )


def with_images(samples: Samples, generated: np.ndarray, train: np.ndarray | None) -> Samples:
    """Returns the evidence with the images themselves, for metrics that look at pixels."""
    return dataclasses.replace(samples, generated_images=generated, train_images=train)


def halves(real: Extracted, seed: int) -> tuple[Extracted, Extracted]:
    """Returns two random halves of real images; the second is larger by one if need be."""
    order = np.random.default_rng(seed).permutation(len(real.features))
    middle = len(order) // 2
    return choose(real, order[:middle]), choose(real, order[middle:])


def choose(extracted: Extracted, rows: np.ndarray) -> Extracted:
    """Returns some rows."""
    return Extracted(extracted.features[rows], extracted.classes[rows])


def _space(task: Task, extractors: Mapping[str, Extractor]) -> FeatureSpace:
    number = min(task.settings.num_images, len(task.real.images))
    panel = judges_of(extractors, task.real.images[task.rows(number)])
    return FeatureSpace(panel, {judge.name: extract(judge, task.train.images) for judge in panel})


def _score_source(task: Task, scores: Scores, source: str, spaces: dict[str, FeatureSpace]) -> None:
    number = len(spaces[""].judges[0].real.features)
    fields = task.model.generator(source).given
    asked_classes = task.given(fields, number).get("labels")
    repeats: dict[str, dict[str, list[Samples]]] = {name: {} for name in spaces}
    for repeat in range(task.settings.num_repeats):
        seed = seeds.derive(task.seed, "samples", source, str(repeat))
        pictures = to_uint8(generate(task, source, number, seed))
        dice = seeds.derive(seed, "metrics")
        for name, space in spaces.items():
            for judge in space.judges:
                generated, train = judge.extract(pictures), space.train[judge.name]
                # The judge tells classes that train lacks.
                num_classes = 0 if len(task.held_out.labels) else judge.extractor.num_classes
                sample = evidence(judge.real, generated, train, num_classes, dice, asked_classes)
                sample = with_images(sample, pictures, task.train.images)
                repeats[name].setdefault(judge.name, []).append(sample)
        if repeat == 0:
            _show(task, scores, source, pictures, next(iter(repeats[""].values()))[0])
    for name, space in spaces.items():
        protocol = task.protocol(
            number,
            fields,
            num_generated=number,
            num_repeats=task.settings.num_repeats,
            num_train=len(task.train.images),
            **facts_of(space.judges),
        )
        scores.add_judged(f"{source}{name}", repeats[name], protocol, "samples")


def _show(task: Task, scores: Scores, source: str, pictures: np.ndarray, samples: Samples) -> None:
    """Keeps of one set what the page shows."""
    scores.pictures[f"{source}_samples"] = pictures[:NUM_PICTURES]
    pairs = memorisation.closest_pairs(samples, NUM_PAIRS)
    side_by_side = np.stack([pictures[pairs.generated], task.train.images[pairs.train]], axis=1)
    scores.pictures.setdefault("closest_pairs", side_by_side.reshape(-1, *pictures.shape[1:]))
    if samples.num_classes:
        histograms = scores.arrays.setdefault("class_histogram", {})
        for name, classes in (("real", samples.real_classes), (source, samples.generated_classes)):
            histograms[name] = np.bincount(classes, minlength=samples.num_classes)
    if samples.asked_classes is not None:
        asked_classes = scores.arrays.setdefault("asked_classes", {})
        asked_classes[source] = samples.asked_classes[:NUM_PICTURES]
