"""Trials, one after the other or several at once, until there are as many as asked for."""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from tqdm import tqdm

from genlab import tracking
from genlab.tune import pauses, process
from genlab.tune.halving import Halving
from genlab.tune.method import Method, TrialPart
from genlab.tune.objective import Unmeasured
from genlab.tune.plan import Plan
from genlab.tune.population import Population
from genlab.tune.process import Outcome
from genlab.tune.sampled import Sampled
from genlab.tune.storage import storage_errors
from genlab.tune.study import Study, settled

METHODS: dict[str, Callable[[Plan, Study, int], Method]] = {
    pauses.SAMPLER: Sampled,
    pauses.HALVING: Halving,
    pauses.POPULATION: Population,
}
PAUSE_SECONDS = 0.2
"""How long a worker waits until it asks again; on a shared study at most 5 seconds."""


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
        self._method = METHODS[plan.params.search.method](plan, study, num_trials)
        self.ended_last = False

    def work(self, slot: int, stop: threading.Event) -> None:
        """Runs trials, or parts of them, until there are no more.

        It waits for what others do: trials of other machines may be lost, and those that go on
        are compared with each other.
        """
        seconds = min(5, self._plan.params.search.heartbeat_seconds)
        while not stop.is_set():
            part = self._method.next()
            if part is not None:
                if not self._run_one(part, slot, stop):
                    return
            elif self._study.is_over(self._num_trials) or not self._method.may_go_on:
                return
            else:
                stop.wait(seconds if self._study.is_shared else PAUSE_SECONDS)

    def _run_one(self, part: TrialPart, slot: int, stop: threading.Event) -> bool:
        """Returns whether the trial came to its end, or to its pause."""
        search, trial = self._plan.params.search, part.trial
        number, share = self._study.first_number(trial), (slot, search.workers)
        order = self._plan.trial_order(part.settings, number, share, self._run.run_id, part.pause)
        report = functools.partial(self._study.report, trial)
        outcome = process.run(order, report, search.trial_seconds, stop)
        if outcome.state == "stopped":
            return False
        outcome, objectives = self._judge(outcome)
        if outcome.state == "failed":
            tqdm.write(f"{self._plan.study_name}: trial {trial.number} failed: {outcome.reason}")
            tracking.end_training(order.training_id, "FAILED", outcome.reason)
        with self._study.alone():
            self._method.end(part, outcome, objectives)
            self.ended_last |= self._study.is_over(self._num_trials)
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
