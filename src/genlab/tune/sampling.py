"""Samplers and pruners by name.

Each trial has a new sampler, whose seed depends on how many trials there were: a study that
continues after a kill asks for what an uninterrupted one would have asked for. The quasi-random
sampler keeps one seed, since the storage keeps its place in the sequence. A grid is no sampler:
its points are queued from the start.
"""

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import TrialState, create_trial

from genlab.settings.seeds import derive

GRID, QMC = "grid", "qmc"


def _random(seed: int, number: int, startup: int) -> BaseSampler:
    return RandomSampler(seed=derive(seed, number))


def _cmaes(seed: int, number: int, startup: int) -> BaseSampler:
    own = derive(seed, number)
    return CmaEsSampler(seed=own, n_startup_trials=startup, warn_independent_sampling=False)


SAMPLERS: dict[str, Callable[[int, int, int], BaseSampler]] = {
    "tpe": lambda seed, number, startup: TPESampler(
        seed=derive(seed, number), n_startup_trials=startup
    ),
    "random": _random,
    "cmaes": _cmaes,
    QMC: lambda seed, number, startup: QMCSampler(
        seed=seed, scramble=True, warn_independent_sampling=False
    ),
    "nsga2": lambda seed, number, startup: NSGAIISampler(
        seed=derive(seed, number), population_size=max(2, startup)
    ),
    GRID: _random,
}
"""Takes the study's seed, how many trials there were, and how many are random at the start."""


def _hyperband(startup: int, every: int, steps: int) -> BasePruner:
    """Judges at report 1, 3, 9 and so on; a trial's bracket says at how many of them.

    Optuna creates the brackets at the first `prune`, and only then tells the sampler the bracket
    of each trial. So that the first trial is no exception, a trial without reports comes first.
    """
    pruner = HyperbandPruner(min_resource=every, max_resource=steps, reduction_factor=3)
    pruner.prune(optuna.create_study(), create_trial(state=TrialState.RUNNING))
    return pruner


PRUNERS: dict[str, Callable[[int, int, int], BasePruner]] = {
    "median": lambda startup, every, steps: MedianPruner(  # judges from the second report on
        n_startup_trials=startup, n_warmup_steps=every + 1
    ),
    "hyperband": _hyperband,
    "none": lambda startup, every, steps: NopPruner(),
}
"""Takes how many trials are not pruned at the start, after how many steps a trial reports each
time, and a trial's steps."""
