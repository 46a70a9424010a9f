"""A study: trials are asked for and told, and go on after a kill."""

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
from genlab.tune import front, sampling
from genlab.tune.space import Space, suggest
from genlab.tune.storage import SILENT_HEARTBEATS, STORAGE_ERRORS, locked

IDENTITY = "genlab.identity"
REASON, VALUES = "genlab.reason", "genlab.values"
SETTINGS, SECONDS = "genlab.settings", "genlab.seconds"
TRAIN_KEY = "genlab.train_key"
"""Of a trial that goes on: where its checkpoint lies."""
DECIDED = "genlab.decided"
"""The last step at which a trial's pruner was asked, and its answer."""
Direction = Literal["minimize", "maximize"]

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings(
    "ignore", message="Heartbeat of storage is supposed to be used with Study.optimize"
)


def settled(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Returns the trials that are over: complete, pruned, or failed for a reason; not lost ones."""
    retried = {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}
    return [trial for trial in trials if _is_settled(trial) and trial.number not in retried]


def _is_settled(trial: FrozenTrial) -> bool:
    if trial.state == TrialState.FAIL:
        return REASON in trial.user_attrs
    return trial.state.is_finished()


def _in_state(trials: Sequence[FrozenTrial], state: TrialState) -> list[int]:
    return [trial.number for trial in trials if trial.state == state]


class Study:
    """One search. Several threads may call its methods. `lost` are trials that a kill cut off.

    Optuna has no public way to continue a running trial or to send a heartbeat outside of
    `Study.optimize`. Both are done here by a trial's id, which the storage's public methods give.
    """

    def __init__(
        self, study: optuna.Study, storage: BaseStorage, space: Space, search: Search, seed: int
    ):
        self.optuna = study
        self.space = space
        self._storage = storage
        self._search = search
        self.seed = seed
        self._lock = threading.RLock()
        self._running: set[int] = set()
        self._vouched: set[int] = set()
        self.lost = [] if self.is_shared else _in_state(self.trials, TrialState.RUNNING)

    @property
    def is_shared(self) -> bool:
        """Whether other machines may work on it too."""
        return isinstance(self._storage, RDBStorage)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, lost ones included."""
        with self._lock:
            return self.optuna.get_trials(deepcopy=False)

    def ranking(self) -> list[FrozenTrial]:
        """Returns the complete trials, best first by the rule of `front`."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        return [complete[index] for index in front.order(self.points(complete))]

    def front(self) -> list[FrozenTrial]:
        """Returns the complete trials that no other one dominates."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        fronts = front.fronts(self.points(complete))
        return [complete[index] for index in fronts[0]] if fronts else []

    def points(self, trials: Sequence[FrozenTrial]) -> list[list[float]]:
        """Returns the objectives so that low is better."""
        lower = optuna.study.StudyDirection.MINIMIZE
        signs = [1 if direction == lower else -1 for direction in self.optuna.directions]
        pairs = [zip(signs, trial.values, strict=True) for trial in trials]
        return [[sign * value for sign, value in pair] for pair in pairs]

    def is_over(self, num_trials: int) -> bool:
        """Whether no trial runs anywhere, and `num_trials` are over or a grid is at its end."""
        trials = self.trials
        if _in_state(trials, TrialState.RUNNING):
            return False
        return len(settled(trials)) >= num_trials or self._is_exhausted(trials)

    def _is_exhausted(self, trials: Sequence[FrozenTrial]) -> bool:
        is_grid = self._search.sampler == sampling.GRID
        return is_grid and not _in_state(trials, TrialState.WAITING)

    def ask(self, num_trials: int) -> Trial | None:
        """Returns the next trial, lost ones first; None if there are no more to run.

        That is if `num_trials` are over or running, or if a grid has no more points.
        """
        with self.alone():
            self._requeue_silent()
            if self.lost:
                number = self.lost.pop(0)
                self.optuna.sampler = self._sampler(number)
                return self._suggest(Trial(self.optuna, self._trial_id(number)), number)
            trials = self.trials
            number = len(settled(trials)) + len(_in_state(trials, TrialState.RUNNING))
            if number >= num_trials or self._is_exhausted(trials):
                return None
            self.optuna.sampler = self._sampler(number)
            return self._suggest(self.optuna.ask(), number)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other threads and other machines out of the block."""
        with self._lock, locked(self._storage, self.optuna.study_name):
            yield

    def _sampler(self, number: int, name: str = "") -> optuna.samplers.BaseSampler:
        """Returns the sampler for the trial that `number` trials precede.

        Each parameter has its own, since a lost trial may have some of them already. Machines that
        share a study draw differently, except in a quasi-random sequence, whose place is stored.
        """
        differs = self.is_shared and self._search.sampler != sampling.QMC
        seed = seeds.derive(self.seed, os.urandom(4).hex()) if differs else self.seed
        seed = seeds.derive(seed, name) if name else seed
        return sampling.SAMPLERS[self._search.sampler](seed, number, self._search.startup_trials)

    def _trial_id(self, number: int) -> int:
        study_id = self._storage.get_study_id_from_name(self.optuna.study_name)
        return self._storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def _suggest(self, trial: Trial, number: int) -> Trial:
        """Gives a trial the parameters that it lacks."""
        trial_id = self._trial_id(trial.number)
        self._running.add(trial_id)
        self._beat()
        if not self._storage.get_trial_system_attrs(trial_id).get("fixed_params"):
            _ = trial.relative_params  # the joint draw comes first, in a lost trial too
        for name, distribution in self.space.distributions.items():
            self.optuna.sampler = self._sampler(number, name)
            suggest(trial, name, distribution)
        self.optuna.sampler = self._sampler(number)
        return trial

    def first_number(self, trial: Trial) -> int:
        """Returns the trial's number; if another process lost it, the number of its first try."""
        attributes = self._storage.get_trial_system_attrs(self._trial_id(trial.number))
        return int(attributes.get("failed_trial", trial.number))

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Takes a value during training; returns whether the trial goes on.

        After a kill a trial reports the same steps again, and gets the same answers. A trial that
        another machine has taken over ends. With several objectives nothing is kept or pruned.
        """
        if len(self.optuna.directions) > 1:
            return True
        with self._lock, suppress(UpdateFinishedTrialError):
            known = self._storage.get_trial(self._trial_id(trial.number))
            last_step, goes_on = known.user_attrs.get(DECIDED, (-1, True))
            if step <= last_step:
                return goes_on or step < last_step
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
        """Ends a trial, unless another machine has taken it over since; stores facts with it."""
        with self._lock, suppress(UpdateFinishedTrialError):
            self._running.discard(self._trial_id(trial.number))
            for name, fact in facts.items():
                trial.set_user_attr(name, fact)
            self.optuna.tell(trial, values, state)

    def _beat(self) -> None:
        if isinstance(self._storage, RDBStorage):
            for trial_id in self._running:
                self._storage.record_heartbeat(trial_id)

    def _requeue_silent(self) -> None:
        """Queues the trials of silent workers again.

        A worker that was killed before its first heartbeat gets that heartbeat here.
        """
        if not isinstance(self._storage, RDBStorage):
            return
        optuna.storages.fail_stale_trials(self.optuna)
        seconds = 2 * SILENT_HEARTBEATS * self._search.heartbeat_seconds
        long_ago = datetime.now() - timedelta(seconds=seconds)
        for trial in self.trials:
            start = trial.datetime_start
            if trial.state != TrialState.RUNNING or start is None or start >= long_ago:
                continue
            trial_id = self._trial_id(trial.number)
            if trial_id not in self._running | self._vouched:
                self._vouched.add(trial_id)
                self._storage.record_heartbeat(trial_id)

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Sends heartbeats for this process's trials during the block."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self._search.heartbeat_seconds):
                with self._lock, suppress(*STORAGE_ERRORS):  # the next query reports the error
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
    """Returns the study called `name`; creates it if there is none.

    Its queue begins with the present settings, then the points of a grid.

    Raises:
        InputError: The study has another `identity`: that is everything that its values depend on,
            except the settings tried.
    """
    steps = identity["steps"]
    make_pruner = sampling.PRUNERS[search.pruner]
    points = space.grid() if search.sampler == sampling.GRID else []
    with locked(storage, name):
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=list(directions),
            pruner=make_pruner(search.startup_trials, search.report_every(steps), steps),
            load_if_exists=True,
        )
        _check_identity(study, identity)
        for point in (space.present, *points):
            study.enqueue_trial(point, skip_if_exists=True)
    return Study(study, storage, space, search, seeds.derive(identity["seed"], "tune", name))


def _check_identity(study: optuna.Study, identity: dict[str, Any]) -> None:
    """Stores the identity of a new study; compares that of an existing one."""
    stored = study.user_attrs.get(IDENTITY)
    if stored is None:
        study.set_user_attr(IDENTITY, json.dumps(identity, sort_keys=True))
        return
    former = json.loads(stored)
    changed = [key for key in {**former, **identity} if former.get(key) != identity.get(key)]
    if changed:
        raise InputError(
            f"the study {study.study_name!r} must go on with what it began with",
            f"another {', '.join(changed)}",
            "Give --study another name, or undo the change in params.yaml",
        )
