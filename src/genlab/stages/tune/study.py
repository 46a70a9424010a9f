"""A study and where it is kept: trials that are asked for, told, and found again after a kill."""

import json
import os
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from genlab import seeds, tracking, workspace
from genlab.errors import InputError
from genlab.params import Search
from genlab.stages.tune import sampling
from genlab.stages.tune.space import Space

ADDRESS = "GENLAB_SEARCH_STORAGE"
WHERE = f"params.yaml: search.storage, or the environment: {ADDRESS}"
IDENTITY, REASON, VALUES = "genlab.identity", "genlab.reason", "genlab.values"
SILENT_HEARTBEATS = 4
"""A worker that was silent for so many heartbeats has lost its trial."""
Direction = Literal["minimize", "maximize"]
SETTLED = (TrialState.COMPLETE, TrialState.PRUNED)

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with Study.optimize")


def settled(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Returns the trials that are over: complete, pruned, or failed for a reason; not those that were lost."""
    return [trial for trial in trials if trial.state in SETTLED or REASON in trial.user_attrs]


class Study:
    """One search. Its methods may be called from several threads."""

    def __init__(self, study: optuna.Study, storage: BaseStorage, space: Space, search: Search, seed: int):
        self.optuna = study
        self.space = space
        self._storage, self._search, self._seed = storage, search, seed
        self._lock = threading.RLock()
        self._lost: list[FrozenTrial] = []
        self._running: set[int] = set()

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
        return len(settled(trials)) >= num_trials or (self._search.sampler == sampling.GRID and not waiting)

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
        with self._lock:
            self._return_silent()
            if self._lost:
                return self._begin(self._lost.pop(0).number)
            trials = self.trials
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            if len(settled(trials)) + len(running) >= num_trials:
                return None
            queued = any(trial.state == TrialState.WAITING for trial in trials)
            if self._search.sampler == sampling.GRID and not queued:
                return None
            self.optuna.sampler = self._sampler(len(settled(trials)) + len(running))
            return self._suggest(self.optuna.ask())

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Returns the sampler of the trial before which there were `number`; hosts that share a study differ."""
        seed = seeds.derive(self._seed, os.urandom(4).hex()) if self.is_shared else self._seed
        return sampling.SAMPLERS[self._search.sampler](seed, number, self._search.startup_trials)

    def _begin(self, number: int) -> Trial:
        """Returns a trial that was lost, as it was: what it had been given stays."""
        trial = next(each for each in self.trials if each.number == number)
        self.optuna.sampler = self._sampler(number)
        return self._suggest(Trial(self.optuna, trial._trial_id))

    def _suggest(self, trial: Trial) -> Trial:
        for name, distribution in self.space.distributions.items():
            trial._suggest(name, distribution)
        self._running.add(trial._trial_id)
        self._beat()
        return trial

    def first_number(self, trial: Trial) -> int:
        """Returns the trial's number; of one that another process lost, that of the first attempt."""
        return int(trial.storage.get_trial(trial._trial_id).system_attrs.get("failed_trial", trial.number))

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Takes a value on the way; says whether the trial goes on."""
        with self._lock:
            if step not in trial.storage.get_trial(trial._trial_id).intermediate_values:
                trial.report(value, step)
            return not trial.should_prune()

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None, facts: Mapping[str, Any]) -> None:
        """Ends a trial.

        Args:
            trial: Which.
            state: How it ended.
            values: Of the objectives, where it is complete.
            facts: Kept with it.
        """
        with self._lock:
            for name, fact in facts.items():
                trial.set_user_attr(name, fact)
            self._running.discard(trial._trial_id)
            self.optuna.tell(trial, values, state)

    def _beat(self) -> None:
        if isinstance(self._storage, RDBStorage):
            for trial_id in self._running:
                self._storage.record_heartbeat(trial_id)

    def _return_silent(self) -> None:
        if self.is_shared:
            optuna.storages.fail_stale_trials(self.optuna)

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Says in the block, again and again, that this process is at its trials."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self._search.heartbeat_seconds):
                with self._lock:
                    self._beat()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def address(search: Search) -> str | None:
    """Returns the database's address; None where studies are kept in journals."""
    given = os.environ.get(ADDRESS) or search.storage
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", given) if given else None


def folder(name: str) -> Path:
    """Returns where a study keeps its journal, logs and confirmations on this machine."""
    return workspace.state("studies", name)


def open_storage(search: Search, name: str) -> BaseStorage:
    """Returns the storage.

    Raises:
        InputError: The database is out of reach, or the address is none.
    """
    url = address(search)
    if url is None:
        return _journal(folder(name) / "journal.log")
    try:
        return RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=search.heartbeat_seconds,
            grace_period=SILENT_HEARTBEATS * search.heartbeat_seconds,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
        )
    except (SQLAlchemyError, ArgumentError, ImportError, ValueError, OSError) as error:
        first = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(
            f"the search's storage must be a database that answers. "
            f"Received: {tracking.address(url)} ({first}). See {WHERE}."
        ) from None


def _journal(path: Path) -> BaseStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        whole = path.read_bytes().rpartition(b"\n")
        if whole[2]:  # a line that a kill cut off: with the next one it would be no JSON
            os.truncate(path, len(whole[0]) + 1 if whole[1] else 0)
    return JournalStorage(JournalFileBackend(str(path)))


@contextmanager
def only_tuner(name: str) -> Iterator[None]:
    """Holds a journal's study in the block.

    Raises:
        InputError: Another process is at it.
    """
    path = folder(name) / "tuner.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(path).acquire(timeout=1)
    except Timeout:
        raise InputError(
            f"a study in a journal must have one tuner. Received: a second one for {name!r}. Wait for the end of the "
            f"first, give it more workers, give this one another --study, or share a database. See {WHERE}."
        ) from None
    with lock:
        yield


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
    pruner = sampling.PRUNERS[search.pruner](
        search.startup_trials, search.report_every(identity["steps"]), identity["steps"]
    )
    study = optuna.create_study(
        storage=storage, study_name=name, directions=list(directions), pruner=pruner, load_if_exists=True
    )
    text = json.dumps(identity, sort_keys=True)
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, text)
    elif known != text:
        former = json.loads(known)
        differs = [key for key in {**former, **identity} if former.get(key) != identity.get(key)]
        raise InputError(
            f"the study {name!r} must go on with what it began with. Received: another {', '.join(differs)}. "
            "Give --study another name, or take back what was changed in params.yaml."
        )
    found = Study(study, storage, space, search, seeds.derive(identity["seed"], "tune", name))
    found.fill_queue()
    return found
