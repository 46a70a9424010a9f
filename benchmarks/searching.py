"""Trials of a real search, without what comes after them: `python -m benchmarks.searching vae`.

Every trial has the size and the steps of `params.yaml` on MNIST; none is pruned, so that all are equally long.
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
    """Returns the seconds of a search, trials per hour, and a trial's share that is neither training nor measuring."""
    from genlab.stages import features as extractors
    from genlab.tune import loop, plan, storage, study

    wanted, features = _parameters(workers), Path("features")
    if not features.is_dir():
        extractors.run(wanted, data, features)
    search = plan.make(wanted, model, f"bench-{uuid.uuid4().hex[:8]}", data, features)
    directions = [each.direction for each in search.objectives]
    opened = storage.open_storage(wanted.search, search.study_name)
    found = study.load(
        opened, search.study_name, search.space, directions, wanted.search, search.identity
    )
    started = time.monotonic()
    with tracking.study_run(
        name=search.study_name, model=model, kind=search.kind, params={}
    ) as run:
        loop.search(search, found, trials, run)
    seconds = time.monotonic() - started
    overhead = overhead_share(found.trials, workers)
    return {"seconds": seconds, "trials_per_hour": 3600 * trials / seconds, "overhead": overhead}


def _parameters(workers: int) -> Params:
    base = params.load(
        workloads.ROOT / "params.yaml", data_name=workloads.DATA_NAME, profile="default"
    ).model_dump()
    changes = {"workers": workers, "pruner": "none", "sampler": "random", "storage": None}
    changed = {
        "search": base["search"] | changes,
        "features": base["features"] | {"extractor": FEATURES},
    }
    return build_section(Params, base | changed, "benchmarks: ")


def overhead_share(trials: list[Any], workers: int) -> float:
    """Returns the share of the trials' time that is neither training, with its validations, nor measuring.

    The first trial of each worker is left out: it also waits for imports, which take seconds, once per search.
    """
    facts = [trial.user_attrs for trial in trials[workers:] if trial.values]
    values = [each["genlab.values"] for each in facts]
    useful = sum(each["fit_seconds"] + each["measure_seconds"] for each in values)
    return 1 - useful / sum(each["genlab.seconds"] for each in facts)


if __name__ == "__main__":
    main()
