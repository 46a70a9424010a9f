"""Tuners and trials that cost nothing: real processes, all of the search, but no training."""

import multiprocessing
import os
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace

from genlab import tune
from genlab.settings import params
from genlab.tune import plan, process, trial

STEPS = (10, 20, 30)
SECONDS_PER_STEP = 0.03


def value_of(entry: dict[str, float]) -> float:
    """A Fréchet distance that is lowest at a rate of 0.005 and a weight of 3."""
    return abs(entry["learning_rate"] - 0.005) * 1000 + (entry["kl_weight"] - 3) ** 2


def run(order: trial.TrialOrder, connection: Connection, alive: Connection) -> None:
    """Does what `trial.run` does, in no time; first it closes what it has of the tuner."""
    kept = {0, 1, 2, connection.fileno(), alive.fileno()}
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(number) not in kept:
            with suppress(OSError):
                os.close(int(number))
    threading.Thread(target=trial._die_with_the_tuner, args=(alive,), daemon=True).start()
    connection.send(("begun", order.training_id))
    value = value_of(order.params.models[order.name])
    with Path("trials.txt").open("a") as file:
        file.write(f"{os.getpid()} {order.run_name}\n")
    pause = order.pause.step if order.pause else None
    for step in STEPS if pause is None else (pause,):
        time.sleep(float(os.environ.get("SECONDS_PER_STEP", SECONDS_PER_STEP)))
        if order.prune_by:
            connection.send(("report", step, value * (1 + 10 / step)))
            if not connection.recv():
                connection.send(("pruned",))
                return
    value += 10 / pause if pause else 0.0
    values = {
        f"{split}/prior/frechet_distance": value + order.params.seed for split in order.splits
    }
    connection.send(("done", values | {"train_seconds": 1.0}))


def run_all_but_one(order: trial.TrialOrder, connection: Connection, alive: Connection) -> None:
    """Does what `run` does; trial 2 ends without a word."""
    if order.run_name == "trial 2":
        os._exit(3)
    run(order, connection, alive)


def server() -> ForkServerContext:
    """Returns what forks processes from one that has imported everything, and computes nothing.

    A fork of pytest's own process would meet the threads of libraries: now and then it hangs.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*process.PRELOADED, "tuning_fake"])
    return context


class Forked(multiprocessing.get_context("fork").Process):
    """A process that is forked from a tuner's, which costs least."""

    def start(self) -> None:
        """Starts it; filelock refuses a fork while another thread takes a lock."""
        for _ in range(1000):
            try:
                return super().start()
            except RuntimeError:
                time.sleep(0.005)
        raise RuntimeError("no moment to fork")


def tuner(
    root: str, images: str, features: str, num_trials: int, environment: dict[str, str]
) -> None:
    """Is `genlab tune vae` in `root`, in a process group of its own."""
    os.setsid()
    os.chdir(root)
    os.environ |= environment
    with Path("said.txt").open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    process.trial.run = run
    process._context = lambda: SimpleNamespace(Process=Forked, Pipe=multiprocessing.Pipe)
    sys.argv = ["genlab", "tune", "vae"]
    made = plan.make(params.load(), "vae", None, Path(images), Path(features))
    print(tune.run(made, num_trials, Path("out")), flush=True)
