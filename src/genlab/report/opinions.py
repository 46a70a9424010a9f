"""What each judge says of the samples, and the order of the models without each of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genlab.contract.score import Score
from genlab.pages import significant
from genlab.report import table
from genlab.report.cells import DISTANCE
from genlab.report.laboratory import ReportedModel
from genlab.report.ranking import rank


class Opinions(NamedTuple):
    """The Fréchet distances of one source of samples.

    Attributes:
        samples: The name of the source.
        models: From the best to the worst by the mean over all judges.
        rows: Of each judge its name, the distance of each model, and the order without this judge.
        spreads: Of each model the standard deviation over judges, as a share of the mean.
        is_stable: Whether the order stays the same without any one judge.
    """

    samples: str
    models: list[str]
    rows: list[tuple[str, list[str], str]]
    spreads: list[str]
    is_stable: bool


def tables(models: Sequence[ReportedModel]) -> list[Opinions]:
    """Returns a table for each source whose samples several judges have seen."""
    found = (_table(models, source) for source in table.sources_of_samples(models))
    return [opinions for opinions in found if opinions]


def _table(models: Sequence[ReportedModel], source: str) -> Opinions | None:
    metric = f"test/{source}/{DISTANCE}"
    scores = {model.name: model.scores[metric] for model in rank(models, metric).models}
    scores = {name: score for name, score in scores.items() if len(score.judges) > 1}
    if not scores:
        return None
    order = _order(scores)
    judges = list(scores[order[0]].judges)
    without = {judge: _order(scores, judge) for judge in judges}
    return Opinions(
        table.name_of_samples(source),
        order,
        [
            (
                judge,
                [significant(scores[name].judges[judge]) for name in order],
                ", ".join(without[judge]),
            )
            for judge in judges
        ],
        [f"{_spread(scores[name]):.0%}" for name in order],
        all(names == order for names in without.values()),
    )


def _order(scores: dict[str, Score], without: str | None = None) -> list[str]:
    """Returns the models from the best to the worst by the mean over the judges, without one."""

    def mean(name: str) -> float:
        judges = scores[name].judges.items()
        return float(np.mean([value for judge, value in judges if judge != without]))

    return sorted(scores, key=mean)


def _spread(score: Score) -> float:
    values = list(score.judges.values())
    return float(np.std(values, ddof=1) / np.mean(values)) if np.mean(values) else 0.0
