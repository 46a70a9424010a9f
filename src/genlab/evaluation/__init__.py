"""Scores any trained model: each part gathers evidence of one kind, the panel gives its numbers.

`PARTS` are the kinds of evidence; `sources` says which of them a model gives.
"""

from genlab.evaluation import (
    evidence_bound,
    few_labels,
    likelihood,
    outliers,
    reconstructions,
    representations,
    samples,
    walks,
)
from genlab.evaluation.panel import Panel
from genlab.evaluation.scores import Scores
from genlab.evaluation.sources import sources
from genlab.evaluation.task import Task
from genlab.runtime import progress

__all__ = ["Panel", "Scores", "Task", "evaluate", "measure", "samples", "sources"]

PARTS = (
    samples,
    reconstructions,
    evidence_bound,
    likelihood,
    representations,
    few_labels,
    outliers,
)


def evaluate(task: Task) -> Scores:
    """Returns all scores of a model, with pictures.

    Raises:
        InputError: The images have another shape than the model's, or a metric is unknown.
    """
    scores = _begin(task)
    for part in progress.bar(PARTS, "evaluate"):
        part.score(task, scores)
    reconstructions.search(task, scores)
    walks.draw(task, scores)
    return scores


def measure(task: Task) -> Scores:
    """Returns the scores of the listed metrics, without evidence that none of them needs.

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
