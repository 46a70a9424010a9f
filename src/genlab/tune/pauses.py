"""The steps at which trials that go on are measured, by method; the last ones are all steps."""

from collections.abc import Callable

from genlab.runtime.errors import InputError
from genlab.settings.params import Search

SAMPLER, HALVING, POPULATION = "sampler", "halving", "population"
"""The methods of a search; a sampler's trials do not pause."""


def rungs(search: Search, steps: int, where: str) -> list[int]:
    """Returns the rungs of halving: each has `reduction_factor` times the steps of the one before.

    Args:
        search: Its `rungs`, `reduction_factor` and `brackets` are read.
        steps: Of a whole trial.
        where: The model's entry, for errors: `"params.yaml: tune.vae"`.

    Raises:
        InputError: There are more brackets than rungs, or too few steps for so many rungs.
    """
    if search.brackets > search.rungs:
        raise InputError(
            f"brackets must be at most the {search.rungs} rungs",
            f"{search.brackets}",
            "See params.yaml: search.brackets",
        )
    powers = range(search.rungs - 1, -1, -1)
    found = [round(steps / search.reduction_factor**power) for power in powers]
    return _checked(found, f"{where}.steps, and search.rungs")


def intervals(search: Search, steps: int, where: str) -> list[int]:
    """Returns the ends of a population's intervals, which are equally long; see `rungs`."""
    number = search.intervals
    found = [round(steps * count / number) for count in range(1, number + 1)]
    return _checked(found, f"{where}.steps, and search.intervals")


def _checked(steps: list[int], where: str) -> list[int]:
    if steps[0] < 1 or len(set(steps)) < len(steps):
        raise InputError(
            f"a trial must have a step for each of its {len(steps)} pauses",
            f"steps={steps[-1]}",
            f"See {where}",
        )
    return steps


PAUSES: dict[str, Callable[[Search, int, str], list[int]]] = {
    SAMPLER: lambda search, steps, where: [],
    HALVING: rungs,
    POPULATION: intervals,
}
