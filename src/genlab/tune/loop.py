"""Trials, one after the other or several at once, until there are as many as were asked for."""

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
from genlab.tune.study import REASON, VALUES, Study, settled
from genlab.tune.trial import Order

SETTINGS, SECONDS = "genlab.settings", "genlab.seconds"
STATES = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def search(plan: Plan, study: Study, num_trials: int, run: tracking.Run) -> bool:
    """Runs trials until `num_trials` are over.

    Args:
        plan: What is tried.
        study: Asks and is told.
        num_trials: Of the whole study; those of former calls and of other machines count.
        run: The study's MLflow run.

    Returns:
        Whether this process ended the last one; another machine may have, and then does what comes after.

    Raises:
        InputError: The study's storage does not answer any more.
    """
    bar = tqdm(total=num_trials, desc=plan.study_name, unit="trial", mininterval=0)
    was_over = study.is_over(num_trials)
    if lost := study.find_lost():
        tqdm.write(f"{plan.study_name}: {lost} trials had been cut off; they go on first")
    watch = _Watch(plan, study, run, bar)
    watch.show()
    with bar, study.heartbeats():
        in_parallel(
            lambda slot, stop: _work(slot, stop, plan, study, num_trials, run, watch),
            plan.params.search.workers,
        )
    return was_over or not study.is_shared or watch.ended_last


def in_parallel(work: Callable[[int, threading.Event], None], workers: int) -> None:
    """Runs `work(slot, stop)` in as many threads; the first that fails, or Ctrl-C, stops all.

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


class _Watch:
    """What is shown of a search: in the terminal, and in the study's run."""

    def __init__(self, plan: Plan, study: Study, run: tracking.Run, bar: Any):
        self._plan, self._study, self._run, self._bar = plan, study, run, bar
        self._lock = threading.Lock()
        self.ended_last = False

    def show(self) -> None:
        """Brings bar and run up to date."""
        with self._lock:
            over = settled(self._study.trials)
            self._bar.n = len(over)
            best = self._study.best()
            if best is not None:
                objective = self._plan.objectives[0]
                self._bar.set_postfix_str(
                    f"best {objective.name} {best.values[0]:.5g} (trial {best.number})",
                    refresh=False,
                )
                self._run.log_metrics({f"best/{objective.name}": best.values[0]}, step=len(over))
            self._bar.refresh()


def _work(
    slot: int,
    stop: threading.Event,
    plan: Plan,
    study: Study,
    num_trials: int,
    run: tracking.Run,
    watch: _Watch,
) -> None:
    while not stop.is_set():
        trial = study.ask(num_trials)
        if trial is None:
            if not study.is_shared or study.is_over(num_trials):
                return
            stop.wait(
                min(5, plan.params.search.heartbeat_seconds)
            )  # another machine may lose its trial
            continue
        settings = plan.space.settings(trial.params)
        share, limit = (slot, plan.params.search.workers), plan.params.search.trial_seconds
        order = plan.trial_order(settings, study.first_number(trial), share, run.run_id)
        report = functools.partial(study.report, trial)
        outcome = process.run(order, report, limit, stop)
        if outcome.state == "stopped":
            return
        watch.ended_last |= _settle(plan, study, trial, order, outcome, settings, num_trials)
        watch.show()


def _settle(
    plan: Plan,
    study: Study,
    trial: Trial,
    order: Order,
    outcome: Outcome,
    settings: dict[str, Any],
    num_trials: int,
) -> bool:
    """Ends a trial; says whether it was the last one of the study."""
    facts: dict[str, Any] = {SETTINGS: settings, SECONDS: round(outcome.seconds, 3)}
    found: list[float] | None = None
    if outcome.state == "done":
        try:
            found = [objective.of(outcome.values or {}) for objective in plan.objectives]
            facts[VALUES] = outcome.values
        except Unmeasured as error:
            outcome = outcome._replace(state="failed", reason=str(error))
    if outcome.state == "failed":
        tqdm.write(f"{plan.study_name}: trial {trial.number} failed: {outcome.reason}")
        tracking.end_training(order.training_id, "FAILED", outcome.reason)
        facts[REASON] = outcome.reason
    with study.alone():
        study.tell(trial, STATES[outcome.state], found, facts)
        is_last = study.is_over(num_trials)
    if outcome.train_key:
        training.discard(outcome.train_key)
    return is_last
