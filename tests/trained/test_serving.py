"""MLflow's own server answers real requests for a trained model; a wrong one gets 400, one line."""

import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import ROOT, fixture_chapters, random_images
from picture_kinds import KINDS
from PIL import Image

from genlab.imaging import decoding
from genlab.tracking import packaging, store
from genlab.trained import model as trained_model
from genlab.trained import requests

IMAGES = random_images(2, (8, 6, 3))
Answer = tuple[int, dict[str, Any]]


def post(address: str, body: str) -> Answer:
    """Returns status and answer of a request to a served model."""
    json_type = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/invocations", body.encode(), json_type)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def packed(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Returns a function that packs the model of a kind for MLflow: to its pyfunc's folder."""
    store.configure()
    root = tmp_path_factory.mktemp("served")

    def pack(kind: str) -> Path:
        if not (root / kind).exists():
            packaging.save(folders[kind], root / kind)
        return root / kind

    return pack


@contextmanager
def served(pyfunc: Path) -> Iterator[str]:
    """Yields the address of MLflow's own scoring server, in a thread of this process."""
    import uvicorn
    from mlflow.pyfunc import load_model, scoring_server

    paths, environment = sys.path[:], os.environ.copy()
    app = scoring_server.init(load_model(str(pyfunc)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join()
    sys.path[:] = paths
    os.environ.clear()
    os.environ.update(environment)


REQUESTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "vae": ([], {"num_images": 2}),
    "conditional": ([{"labels": 1}, {"labels": "upper"}], {}),
    "translator": ([{"inputs": image.tolist()} for image in IMAGES], {}),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_server_answers_as_the_model_does(
    folders: dict[str, Path], packed: Callable[[str], Path], kind: str
) -> None:
    records, params = REQUESTS[kind]
    given = {"conditional": {"labels": [1, 0]}, "translator": {"inputs": IMAGES}}.get(kind, {})
    with fixture_chapters(), served(packed(kind)) as address:
        body = {"dataframe_records": records, "params": params | {"seed": 5}}
        status, reply = post(address, json.dumps(body))
        assert status == 200, reply
        expected = trained_model.load(folders[kind]).sample(2, 5, given=given)
        np.testing.assert_allclose(reply["predictions"], expected, atol=1e-6)
        status, reply = post(address, json.dumps(body | {"params": {"verb": "fly"}}))
        assert (status, reply["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert reply["message"].startswith("verb must be one of sample, reconstruct, encode")
        assert "\n" not in reply["message"]


def test_server_takes_pictures_and_says_in_one_line_what_it_cannot_take(
    folders: dict[str, Path], packed: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = KINDS["JPEG, EXIF 6"].content
    address = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    pixels = decoding.read_image(io.BytesIO(jpeg), 3, None, "jpeg")
    with served(packed("vae")) as server:

        def encode(cell: str) -> Answer:
            rows = {"dataframe_records": [{"images": cell}], "params": {"verb": "encode"}}
            return post(server, json.dumps(rows))

        status, reply = encode(address)
        assert status == 200, reply
        latents = trained_model.load(folders["vae"]).encode(pixels[np.newaxis])
        np.testing.assert_allclose(reply["predictions"], latents, atol=1e-6)
        status, reply = encode(address[:-400])
        assert (status, reply["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert reply["message"].startswith("a picture in 'images' must be a readable picture")
        monkeypatch.setattr(requests, "answer", lambda *_: {}["a"])
        status, reply = encode(address)
        assert (status, reply["error_code"]) == (500, "INTERNAL_ERROR")
        assert reply["message"] == "The request could not be answered: KeyError: 'a'"


def documented_requests() -> list[str]:
    """Returns the JSON bodies of the `curl` commands in docs/serving.md, with a picture in them."""
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, format="PNG")
    picture = json.dumps(base64.b64encode(file.getvalue()).decode())
    text = (ROOT / "docs" / "serving.md").read_text()
    bodies = re.findall(r"-d '(\{.*?\})'", text, re.DOTALL)
    return [body.replace('"\'"$PNG"\'"', picture) for body in bodies]


@pytest.mark.slow
def test_the_documented_commands_on_a_real_server(
    packed: Callable[[str], Path], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(packed("vae"))]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = {k: value for k, value in os.environ.items() if not k.startswith("MLFLOW_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    how = {"cwd": tmp_path, "env": environment | store.DEFAULTS | {"PATH": path}}
    with (tmp_path / "log").open("w") as log, served(packed("vae")) as in_process:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **how
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process, tmp_path / "log")
            bodies = documented_requests()
            assert len(bodies) == 6
            for body in bodies:
                expected = post(in_process, body)
                assert post(address, body) == expected
                assert expected[0] == (400 if "fly" in body else 200)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.3)
