"""Tuners in processes of their own, whose trials take no time."""

import os
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import tuning_fake as fake
import tuning_workspace as tw
from tuning_workspace import Place


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., BaseProcess]]:
    """Returns a function that starts a tuner, forked from a process that has imported all."""
    helpers = str(Path(__file__).parents[1] / "helpers")
    paths = [str(tw.ROOT / "src"), helpers, os.environ.get("PYTHONPATH", "")]
    started: list[BaseProcess] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        context = fake.server()

        def start(place: Place, num_trials: int = tw.NUM_TRIALS, **more: str) -> BaseProcess:
            uri = f"sqlite:///{place.root}/mlflow.db"
            environment = {"DVC_ROOT": str(place.root), "MLFLOW_TRACKING_URI": uri} | more
            data = (str(tw.data() / "images"), str(tw.data() / "features"))
            arguments = (str(place.root), *data, num_trials, environment)
            started.append(context.Process(target=fake.tuner, args=arguments))
            started[-1].start()
            return started[-1]

        yield start
    for tuner in started:
        tuner.kill()
        tuner.join()
