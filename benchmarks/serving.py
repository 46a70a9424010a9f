"""Requests to a served model: `python -m benchmarks.serving vae`.

The server is MLflow's own process, as `mlflow models serve` starts it; the client waits for each answer before it asks
again, on the same machine. The model is untrained: weights do not change what a request takes.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import workloads
from genlab.runtime.native_output import import_tensorflow

NUM_REQUESTS, NUM_WARM_UP = 60, 5
START_SECONDS = 120


@click.command()
@click.argument("model")
def main(model: str) -> None:
    """Prints what was measured as JSON."""
    import_tensorflow()
    pyfunc = _packed(model)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        str(pyfunc),
        "--env-manager",
        "local",
    ]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    }
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        started = time.perf_counter()
        _wait(f"http://127.0.0.1:{port}/ping")
        found = {"start_seconds": time.perf_counter() - started}
        print(json.dumps(found | measure(f"http://127.0.0.1:{port}/invocations")))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(address: str) -> dict[str, Any]:
    """Returns by number of samples and form of answer: median and 95th percentile of seconds, samples per second."""
    cases = {
        (number, form): _seconds(address, number, form)
        for form in ("array", "png")
        for number in (1, 64)
    }
    return {
        "cases": [
            {"num_images": number, "format": form, **seconds}
            for (number, form), seconds in cases.items()
        ]
    }


def _seconds(address: str, number: int, form: str) -> dict[str, float]:
    taken = []
    for seed in range(NUM_WARM_UP + NUM_REQUESTS):
        body = {
            "dataframe_records": [],
            "params": {"num_images": number, "seed": seed, "format": form},
        }
        content, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(address, content, kind)  # noqa: S310 - loopback
        started = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            answer.read()
        taken.append(time.perf_counter() - started)
    taken = taken[NUM_WARM_UP:]
    median, tail = statistics.median(taken), float(np.percentile(taken, 95))
    return {
        "median_seconds": median,
        "p95_seconds": tail,
        "samples_per_second": number * len(taken) / sum(taken),
    }


def _packed(model: str) -> Path:
    """Packs an untrained model, of the size that it has in `params.yaml` on MNIST, in the working directory."""
    from genlab.tracking import packaging

    chapter, settings = workloads.settings(model)
    folder, target = Path(model), Path(f"{model}-pyfunc")
    if not target.is_dir():
        folder.mkdir()
        chapter.build(settings, workloads.IMAGE_SHAPE).save_weights(folder / "model.weights.h5")
        facts: dict[str, Any] = {
            "name": model,
            "kind": settings.kind,
            "settings": settings.model_dump(mode="json"),
        }
        facts |= {"image_shape": list(workloads.IMAGE_SHAPE), "precision": "float32"}
        (folder / "settings.json").write_text(json.dumps(facts))
        packaging.save(folder, target)
    return target


def _wait(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"the server did not answer within {START_SECONDS} seconds")


if __name__ == "__main__":
    main()
