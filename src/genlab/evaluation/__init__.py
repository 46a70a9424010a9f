"""Scores any trained model: each part gathers evidence of one kind, and the panel of metrics is asked for its numbers.

task             what is scored, and the protocol that every number carries
samples          generated images against real ones
reconstructions  images rebuilt by the encoder, by inversion, by PCA
evidence_bound   the terms of the evidence lower bound
likelihood       by importance sampling
representations  latents beside PCA and pixels, for a classifier
few_labels       the encoder fine-tuned on few labels
outliers         images of another kind
interpolations   paths between images, for a look
traversals       one latent dimension at a time, for a look
walks            where both begin, and how far they go
panel            the metrics that params.yaml lists
scores           numbers with interval, unit, reference and protocol
intervals        how intervals are made
"""

from pathlib import Path

from genlab.evaluation import (
    evidence_bound,
    few_labels,
    interpolations,
    likelihood,
    outliers,
    reconstructions,
    representations,
    samples,
    traversals,
)
from genlab.evaluation.panel import Panel
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.features.extractor import Extractor
from genlab.runtime import progress
from genlab.settings.params import Params
from genlab.trained.model import TrainedModel

__all__ = ["Panel", "Scores", "Task", "evaluate", "measure", "samples"]

PARTS = (
    samples,
    reconstructions,
    evidence_bound,
    likelihood,
    representations,
    few_labels,
    outliers,
)
LOOKS = (interpolations, traversals)
"""What measures nothing: pictures for the page."""


def evaluate(
    model: TrainedModel,
    extractor: Extractor,
    data: Path,
    params: Params,
    seed: int,
    inception: Extractor | None = None,
) -> Scores:
    """Returns the scores of `model` on the test split of the data set in `data`; the arguments are those of `Task`.

    Raises:
        InputError: The images have not the shape of those that the model was trained on, or a metric is unknown.
    """
    task = Task(model, extractor, data, params, seed, inception)
    scores = _begin(task)
    scores.pictures["originals"] = model.as_seen(task.real.images[: samples.NUM_PICTURES])
    for part in progress.bar(PARTS, "evaluate"):
        part.score(task, scores)
    for look in LOOKS:
        look.draw(task, scores)
    return scores


def measure(task: Task) -> Scores:
    """Returns the scores of what `params.evaluation.metrics` lists, and gathers no evidence that none of it needs.

    Raises:
        InputError: As `evaluate`.
    """
    scores = _begin(task)
    for part in PARTS:
        if scores.panel.names(part.GIVES):
            part.score(task, scores)
    return scores


def _begin(task: Task) -> Scores:
    task.check()
    return Scores(Panel(task.settings.metrics), task.seed, task.split)
