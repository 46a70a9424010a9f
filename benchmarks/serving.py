"""Requests to a served model: `python -m benchmarks.serving vae`.

The server is MLflow's own process, as `mlflow models serve` starts it; the client, on the same
machine, waits for each answer before it asks again. The model is untrained: weights do not change
the time of a request.
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
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(pyfunc)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        started = time.perf_counter()
        _wait(f"http://127.0.0.1:{port}/ping")
        start = {"start_seconds": time.perf_counter() - started}
        print(json.dumps(start | measure(f"http://127.0.0.1:{port}/invocations")))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(address: str) -> dict[str, Any]:
    """Returns latency and throughput for each number of samples and form of answer."""
    cases = [
        {"num_images": number, "format": form, **_seconds(address, number, form)}
        for form in ("array", "png")
        for number in (1, 64)
    ]
    return {"cases": cases}


def _seconds(address: str, number: int, form: str) -> dict[str, float]:
    seconds = []
    for seed in range(NUM_WARM_UP + NUM_REQUESTS):
        params = {"num_images": number, "seed": seed, "format": form}
        body = {"dataframe_records": [], "params": params}
        content, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(address, content, kind)  # noqa: S310 - loopback
        started = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            answer.read()
        seconds.append(time.perf_counter() - started)
    seconds = seconds[NUM_WARM_UP:]
    return {
        "median_seconds": statistics.median(seconds),
        "p95_seconds": float(np.percentile(seconds, 95)),
        "samples_per_second": number * len(seconds) / sum(seconds),
    }


def _packed(model: str) -> Path:
    """Packs an untrained model, as large as in `params.yaml` on MNIST, in the working directory."""
    from genlab.tracking import packaging

    folder, target = Path(model), Path(f"{model}-pyfunc")
    if not target.is_dir():
        folder.mkdir()
        untrained = workloads.build(model)
        untrained.save_weights(folder / "model.weights.h5")
        settings = json.dumps(workloads.trained_settings(untrained, model))
        (folder / "settings.json").write_text(settings)
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
