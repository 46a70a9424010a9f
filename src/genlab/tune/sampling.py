"""Samplers and pruners by name.

A sampler is made anew for each trial, from a seed that depends on how many trials there were: a study that was killed
and goes on then asks for what an uninterrupted one would have asked for. The quasi-random one keeps one seed: its
place in the sequence is kept in the storage. A grid is no sampler: its points stand in the queue from the start.
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

from genlab.settings import seeds

GRID, QMC = "grid", "qmc"


def _tpe(seed: int, number: int, startup: int) -> BaseSampler:
    return TPESampler(seed=seeds.derive(seed, number), n_startup_trials=startup)


def _random(seed: int, number: int, startup: int) -> BaseSampler:
    return RandomSampler(seed=seeds.derive(seed, number))


def _cmaes(seed: int, number: int, startup: int) -> BaseSampler:
    return CmaEsSampler(
        seed=seeds.derive(seed, number), n_startup_trials=startup, warn_independent_sampling=False
    )


def _qmc(seed: int, number: int, startup: int) -> BaseSampler:
    return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


def _nsga2(seed: int, number: int, startup: int) -> BaseSampler:
    return NSGAIISampler(seed=seeds.derive(seed, number), population_size=max(2, startup))


SAMPLERS: dict[str, Callable[[int, int, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "cmaes": _cmaes,
    QMC: _qmc,
    "nsga2": _nsga2,
    GRID: _random,
}
"""By name: of the study's seed, how many trials there were, and how many of them begin a study at random."""


def _median(startup: int, every: int, steps: int) -> BasePruner:
    """Judges from the second report on."""
    return MedianPruner(n_startup_trials=startup, n_warmup_steps=every + 1)


def _hyperband(startup: int, every: int, steps: int) -> BasePruner:
    """Judges at the first, third, ninth ... report, as many of them as a trial's bracket says."""
    pruner = HyperbandPruner(min_resource=every, max_resource=steps, reduction_factor=3)
    pruner.prune(  # a trial without reports: brackets are made then, and the sampler sees those of a trial from then on
        optuna.create_study(), optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
    )
    return pruner


def _none(startup: int, every: int, steps: int) -> BasePruner:
    return NopPruner()


PRUNERS: dict[str, Callable[[int, int, int], BasePruner]] = {
    "median": _median,
    "hyperband": _hyperband,
    "none": _none,
}
"""By name: of how many trials begin a study unpruned, after how many steps each reports, and a trial's steps."""
