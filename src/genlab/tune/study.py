"""A study: trials that are asked for, told, and found again after a kill."""

import json
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from genlab.runtime.errors import InputError
from genlab.settings import seeds
from genlab.settings.params import Search
from genlab.tune import sampling
from genlab.tune.space import Space
from genlab.tune.storage import SILENT_HEARTBEATS, STORAGE_ERRORS, locked

IDENTITY, REASON, VALUES = "genlab.identity", "genlab.reason", "genlab.values"
DECIDED = "genlab.decided"
"""The last step that a trial's pruner was asked at, and what it said."""
Direction = Literal["minimize", "maximize"]
SETTLED = (TrialState.COMPLETE, TrialState.PRUNED)

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings(
    "ignore", message="Heartbeat of storage is supposed to be used with Study.optimize"
)


def settled(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Returns the trials that are over: complete, pruned, or failed for a reason; not those that were lost."""
    lost = {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}
    return [
        trial
        for trial in trials
        if trial.state in SETTLED
        or (
            trial.state == TrialState.FAIL
            and REASON in trial.user_attrs
            and trial.number not in lost
        )
    ]


class Study:
    """One search. Its methods may be called from several threads."""

    def __init__(
        self, study: optuna.Study, storage: BaseStorage, space: Space, search: Search, seed: int
    ):
        self.optuna = study
        self.space = space
        self._storage, self._search, self._seed = storage, search, seed
        self._lock = threading.RLock()
        self._lost: list[FrozenTrial] = []
        self._running: set[int] = set()
        self._vouched: set[int] = set()

    @property
    def is_shared(self) -> bool:
        """Whether other machines may work on it, too."""
        return isinstance(self._storage, RDBStorage)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, those that were lost included."""
        with self._lock:
            return self.optuna.get_trials(deepcopy=False)

    def best(self) -> FrozenTrial | None:
        """Returns the best trial by the first objective, where one is complete."""
        return next(iter(self.ranking()), None)

    def ranking(self) -> list[FrozenTrial]:
        """Returns the complete trials, best first; of several objectives the Pareto front, by the first one."""
        with self._lock:
            several = len(self.optuna.directions) > 1
            trials = self.optuna.best_trials if several else self.trials
            sign = 1 if self.optuna.directions[0] == optuna.study.StudyDirection.MINIMIZE else -1
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        return sorted(complete, key=lambda trial: (sign * trial.values[0], trial.number))

    def is_over(self, num_trials: int) -> bool:
        """Whether no trial is under way, here or elsewhere, and there are as many as asked for, or no more points."""
        trials = self.trials
        if any(trial.state == TrialState.RUNNING for trial in trials):
            return False
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return len(settled(trials)) >= num_trials or (
            self._search.sampler == sampling.GRID and not waiting
        )

    def find_lost(self) -> int:
        """Finds the trials that were running when this study's only tuner was killed, to go on with them first."""
        if not self.is_shared:
            self._lost = [trial for trial in self.trials if trial.state == TrialState.RUNNING]
        return len(self._lost)

    def fill_queue(self) -> None:
        """Puts the present settings first, and behind them, for a grid, all its points; those that are new."""
        points = self.space.grid() if self._search.sampler == sampling.GRID else []
        for point in (self.space.present, *points):
            self.optuna.enqueue_trial(point, skip_if_exists=True)

    def ask(self, num_trials: int) -> Trial | None:
        """Returns the next trial; None where `num_trials` are over or under way, or a grid has no more points."""
        with self.alone():
            self._return_silent()
            if self._lost:
                return self._begin(self._lost.pop(0).number)
            trials = self.trials
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            number = len(settled(trials)) + len(running)
            if number >= num_trials:
                return None
            queued = any(trial.state == TrialState.WAITING for trial in trials)
            if self._search.sampler == sampling.GRID and not queued:
                return None
            self.optuna.sampler = self._sampler(number)
            return self._suggest(self.optuna.ask(), number)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other threads out of the block, and other machines: what is counted in it stays so."""
        with self._lock, locked(self._storage, self.optuna.study_name):
            yield

    def _sampler(self, number: int, name: str = "") -> optuna.samplers.BaseSampler:
        """Returns the sampler of the trial before which there were `number`; hosts that share a study differ.

        But not in a quasi-random sequence, in which the storage has their place.

        Args:
            number: Of trials.
            name: Of a parameter: each has a sampler of its own, since a lost trial may have some of them already.
        """
        differ = self.is_shared and self._search.sampler != sampling.QMC
        seed = seeds.derive(self._seed, os.urandom(4).hex()) if differ else self._seed
        seed = seeds.derive(seed, name) if name else seed
        return sampling.SAMPLERS[self._search.sampler](seed, number, self._search.startup_trials)

    def _begin(self, number: int) -> Trial:
        """Returns a trial that was lost, as it was: what it had been given stays."""
        trial = next(each for each in self.trials if each.number == number)
        self.optuna.sampler = self._sampler(number)
        return self._suggest(Trial(self.optuna, trial._trial_id), number)

    def _suggest(self, trial: Trial, number: int) -> Trial:
        self._running.add(trial._trial_id)
        self._beat()
        if not trial._fixed_params:
            _ = (
                trial.relative_params
            )  # what the sampler draws at once it draws now, also where some are there already
        for name, distribution in self.space.distributions.items():
            self.optuna.sampler = self._sampler(number, name)
            trial._suggest(name, distribution)
        self.optuna.sampler = self._sampler(number)
        return trial

    def first_number(self, trial: Trial) -> int:
        """Returns the trial's number; of one that another process lost, that of the first attempt."""
        return int(
            trial.storage.get_trial(trial._trial_id).system_attrs.get("failed_trial", trial.number)
        )

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Takes a value on the way; says whether the trial goes on.

        A trial that was cut off says again what it said before: the answer stays, and the pruner is not asked again.
        With several objectives there is no pruner, and nothing is kept.
        """
        if len(self.optuna.directions) > 1:
            return True
        with (
            self._lock,
            suppress(UpdateFinishedTrialError),
        ):  # then another machine has this trial: it ends here
            known = trial.storage.get_trial(trial._trial_id)
            last, goes_on = known.user_attrs.get(DECIDED, (-1, True))
            if step <= last:
                return goes_on or step < last
            if step not in known.intermediate_values:
                trial.report(value, step)
            goes_on = not trial.should_prune()
            trial.set_user_attr(DECIDED, [step, goes_on])
            return goes_on
        return False

    def tell(
        self,
        trial: Trial,
        state: TrialState,
        values: Sequence[float] | None,
        facts: Mapping[str, Any],
    ) -> None:
        """Ends a trial; one that another machine has by now, since this one was silent for too long, is left to it.

        Args:
            trial: Which.
            state: How it ended.
            values: Of the objectives, where it is complete.
            facts: Kept with it.
        """
        with self._lock, suppress(UpdateFinishedTrialError):
            for name, fact in facts.items():
                trial.set_user_attr(name, fact)
            self._running.discard(trial._trial_id)
            self.optuna.tell(trial, values, state)
        self._running.discard(trial._trial_id)

    def _beat(self) -> None:
        if isinstance(self._storage, RDBStorage):
            for trial_id in self._running:
                self._storage.record_heartbeat(trial_id)

    def _return_silent(self) -> None:
        """Returns the trials of workers that are silent; one killed before its first heartbeat gets that from here."""
        if not isinstance(self._storage, RDBStorage):
            return
        optuna.storages.fail_stale_trials(self.optuna)
        long_ago = datetime.now() - timedelta(
            seconds=2 * SILENT_HEARTBEATS * self._search.heartbeat_seconds
        )
        for trial in self.trials:
            old = (
                trial.state == TrialState.RUNNING
                and trial.datetime_start
                and trial.datetime_start < long_ago
            )
            if old and trial._trial_id not in self._running | self._vouched:
                self._vouched.add(trial._trial_id)
                self._storage.record_heartbeat(trial._trial_id)

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Says in the block, again and again, that this process is at its trials."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self._search.heartbeat_seconds):
                with (
                    self._lock,
                    suppress(*STORAGE_ERRORS),
                ):  # the next question to the storage meets them, too
                    self._beat()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def load(
    storage: BaseStorage,
    name: str,
    space: Space,
    directions: Sequence[Direction],
    search: Search,
    identity: dict[str, Any],
) -> Study:
    """Returns the study called `name`, which is made where there is none.

    Args:
        storage: Where.
        name: Of the study.
        space: What is searched.
        directions: Of the objectives: `minimize`, `maximize`.
        search: How.
        identity: All that its values depend on beside the settings tried; another one is another study.

    Raises:
        InputError: There is a study of this name with another identity.
    """
    steps = identity["steps"]
    pruner = sampling.PRUNERS[search.pruner](
        search.startup_trials, search.report_every(steps), steps
    )
    with locked(storage, name):
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=list(directions),
            pruner=pruner,
            load_if_exists=True,
        )
        _check_identity(study, identity)
        found = Study(study, storage, space, search, seeds.derive(identity["seed"], "tune", name))
        found.fill_queue()
    return found


def _check_identity(study: optuna.Study, identity: dict[str, Any]) -> None:
    """Writes down what the study is, or compares."""
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, json.dumps(identity, sort_keys=True))
        return
    former = json.loads(known)
    differs = [key for key in {**former, **identity} if former.get(key) != identity.get(key)]
    if differs:
        raise InputError(
            f"the study {study.study_name!r} must go on with what it began with",
            f"another {', '.join(differs)}",
            "Give --study another name, or take back what was changed in params.yaml",
        )
