"""Trials, one after the other or several at once, until there are as many as asked for."""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from optuna.trial import Trial, TrialState
from tqdm import tqdm

from genlab import tracking, training
from genlab.tune import process
from genlab.tune.objective import Unmeasured
from genlab.tune.plan import Plan
from genlab.tune.process import Outcome
from genlab.tune.storage import storage_errors
from genlab.tune.study import REASON, SECONDS, SETTINGS, VALUES, Study, settled

STATES = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def search(plan: Plan, study: Study, num_trials: int, run: tracking.Run) -> bool:
    """Runs trials until `num_trials` are over, with those of earlier calls and other machines.

    Returns:
        Whether this process ended the last trial; on a shared study another one may have, and
        then does what comes next.

    Raises:
        InputError: The study's storage does not answer any more.
    """
    bar = tqdm(total=num_trials, desc=plan.study_name, unit="trial", mininterval=0)
    was_over = study.is_over(num_trials)
    if study.lost:
        tqdm.write(f"{plan.study_name}: {len(study.lost)} trials were cut off; they continue first")
    trials = _Trials(plan, study, num_trials, run, bar)
    trials.show()
    with bar, study.heartbeats():
        in_parallel(trials.work, plan.params.search.workers)
    return was_over or not study.is_shared or trials.ended_last


def in_parallel(work: Callable[[int, threading.Event], None], workers: int) -> None:
    """Runs `work(slot, stop)` in so many threads; the first failure, or Ctrl-C, stops them all.

    Raises:
        InputError: The study's storage does not answer any more.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        try:
            futures = [pool.submit(work, slot, stop) for slot in range(workers)]
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
        with storage_errors():
            for future in futures:
                future.result()


class _Trials:
    """The trials of one search, which several threads run."""

    def __init__(self, plan: Plan, study: Study, num_trials: int, run: tracking.Run, bar: Any):
        self._plan = plan
        self._study = study
        self._num_trials = num_trials
        self._run = run
        self._bar = bar
        self._lock = threading.Lock()
        self.ended_last = False

    def work(self, slot: int, stop: threading.Event) -> None:
        """Runs trials until there are no more.

        On a shared study it waits for the trials of other machines, which may be lost.
        """
        search = self._plan.params.search
        while not stop.is_set():
            trial = self._study.ask(self._num_trials)
            if trial is not None:
                if not self._run_one(trial, slot, stop):
                    return
            elif not self._study.is_shared or self._study.is_over(self._num_trials):
                return
            else:
                stop.wait(min(5, search.heartbeat_seconds))

    def _run_one(self, trial: Trial, slot: int, stop: threading.Event) -> bool:
        """Returns whether the trial came to an end."""
        search = self._plan.params.search
        settings = self._plan.space.settings(trial.params)
        number = self._study.first_number(trial)
        share = (slot, search.workers)
        order = self._plan.trial_order(settings, number, share, self._run.run_id)
        report = functools.partial(self._study.report, trial)
        outcome = process.run(order, report, search.trial_seconds, stop)
        if outcome.state == "stopped":
            return False
        outcome, objectives = self._judge(outcome)
        facts: dict[str, Any] = {SETTINGS: settings, SECONDS: round(outcome.seconds, 3)}
        if outcome.state == "done":
            facts[VALUES] = outcome.values
        if outcome.state == "failed":
            tqdm.write(f"{self._plan.study_name}: trial {trial.number} failed: {outcome.reason}")
            tracking.end_training(order.training_id, "FAILED", outcome.reason)
            facts[REASON] = outcome.reason
        with self._study.alone():
            self._study.tell(trial, STATES[outcome.state], objectives, facts)
            self.ended_last |= self._study.is_over(self._num_trials)
        if outcome.train_key:
            training.discard(outcome.train_key)
        self.show()
        return True

    def _judge(self, outcome: Outcome) -> tuple[Outcome, list[float] | None]:
        """Returns the objectives' values; a trial that lacks one has failed."""
        if outcome.state != "done":
            return outcome, None
        try:
            return outcome, [goal.of(outcome.values or {}) for goal in self._plan.objectives]
        except Unmeasured as error:
            return outcome._replace(state="failed", reason=str(error)), None

    def show(self) -> None:
        """Updates the progress bar and the study's run."""
        with self._lock:
            num_settled = len(settled(self._study.trials))
            self._bar.n = num_settled
            for best in self._study.ranking()[:1]:
                name, value = self._plan.objectives[0].name, best.values[0]
                text = f"best {name} {value:.5g} (trial {best.number})"
                self._bar.set_postfix_str(text, refresh=False)
                self._run.log_metrics({f"best/{name}": value}, step=num_settled)
            self._bar.refresh()
