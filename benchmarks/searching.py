"""Trials of a real search, without what follows them: `python -m benchmarks.searching vae`.

Every trial has the size and the steps of `params.yaml` on MNIST; none is pruned, so that all are
equally long.
"""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import click

from benchmarks import workloads
from genlab import tracking
from genlab.runtime.native_output import import_tensorflow
from genlab.settings import params
from genlab.settings.params import Params, build_section

FEATURES = "mnist-v1"


@click.command()
@click.argument("model")
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--workers", type=int, required=True)
@click.option("--trials", type=int, required=True)
def main(model: str, data: Path, workers: int, trials: int) -> None:
    """Prints what was measured as JSON."""
    import_tensorflow()
    print(json.dumps(measure(model, data, workers, trials)))


def measure(model: str, data: Path, workers: int, trials: int) -> dict[str, Any]:
    """Returns a search's seconds, trials per hour, and a trial's share beside its own work."""
    from genlab.stages import features as extractors
    from genlab.tune import loop, plan, storage, study

    parameters, features = _parameters(workers), Path("features")
    if not features.is_dir():
        extractors.run(parameters, data, features)
    search = plan.make(parameters, model, f"bench-{uuid.uuid4().hex[:8]}", data, features)
    name, settings = search.study_name, parameters.search
    directions = [objective.direction for objective in search.objectives]
    opened = storage.open_storage(settings, name)
    own = study.load(opened, name, search.space, directions, settings, search.identity)
    started = time.monotonic()
    with tracking.study_run(name=name, model=model, kind=search.kind, params={}) as run:
        loop.search(search, own, trials, run)
    seconds = time.monotonic() - started
    overhead = overhead_share(own.trials, workers)
    return {"seconds": seconds, "trials_per_hour": 3600 * trials / seconds, "overhead": overhead}


def _parameters(workers: int) -> Params:
    path = workloads.ROOT / "params.yaml"
    base = params.load(path, data_name=workloads.DATA_NAME, profile="default").model_dump()
    changes = {"workers": workers, "pruner": "none", "sampler": "random", "storage": None}
    sections = {"search": base["search"] | changes}
    sections |= {"features": base["features"] | {"extractor": FEATURES}}
    return build_section(Params, base | sections, "benchmarks: ")


def overhead_share(trials: list[Any], workers: int) -> float:
    """Returns the share of the trials' time that is neither training, validated, nor measuring.

    The first trial of each worker does not count: it waits for imports, once per search.
    """
    facts = [trial.user_attrs for trial in trials[workers:] if trial.values]
    values = [fact["genlab.values"] for fact in facts]
    useful = sum(value["fit_seconds"] + value["measure_seconds"] for value in values)
    return 1 - useful / sum(fact["genlab.seconds"] for fact in facts)


if __name__ == "__main__":
    main()
