"""A served trained model: MLflow's own server answers real requests; what is wrong gets 400 and one line."""

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
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import random_images, tiny_model, write_trained_model
from PIL import Image

from genlab.imaging.arrays import to_uint8
from genlab.numerics import interpolation
from genlab.tracking import packaging, store
from genlab.trained import model as trained_model
from genlab.trained.requests import MAX_IMAGES

ROOT = Path(__file__).parents[2]
Answer = tuple[int, dict[str, Any]]
Ask = Callable[..., Answer]


def packed(folder: Path, kind: str, image_shape: tuple[int, int, int]) -> Path:
    """Writes an untrained model and packs it for MLflow; returns the pyfunc's folder."""
    store.configure()
    model = write_trained_model(folder / kind, tiny_model(kind, image_shape), kind, image_shape)
    packaging.save(model, folder / f"{kind}-pyfunc")
    return folder / f"{kind}-pyfunc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


def post(address: str, body: str) -> Answer:
    """Returns status and answer of a request to a served model."""
    request = urllib.request.Request(
        f"{address}/invocations", body.encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def server(pyfunc: Path) -> Iterator[Ask]:
    """Yields what asks MLflow's own scoring server, which runs in a thread of this process."""
    import uvicorn
    from mlflow.pyfunc import load_model, scoring_server

    paths, environment = sys.path[:], os.environ.copy()
    app = scoring_server.init(load_model(str(pyfunc)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()

        def ask(body: Any = None, **params: Any) -> Answer:
            text = (
                body
                if isinstance(body, str)
                else json.dumps({"dataframe_records": body or [], "params": params})
            )
            return post(address, text)

        yield ask
        running.should_exit = True
        thread.join()
    sys.path[:] = paths
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(scope="module")
def vae(folder: Path) -> Iterator[Ask]:
    yield from server(packed(folder, "vae", (8, 6, 3)))


@pytest.fixture(scope="module")
def gan(folder: Path) -> Iterator[Ask]:
    yield from server(packed(folder, "gan", (8, 8, 1)))


@pytest.fixture(scope="module")
def model(folder: Path, vae: Ask) -> trained_model.TrainedModel:
    return trained_model.load(folder / "vae")


IMAGES = random_images(3, (8, 6, 3))
FLOATS = (IMAGES / 255).astype(np.float32)


def rows(values: Any, column: str = "images") -> list[dict[str, Any]]:
    return [
        {column: value.tolist() if isinstance(value, np.ndarray) else value} for value in values
    ]


def to_png(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def from_png(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def predictions(answer: Answer) -> np.ndarray:
    assert answer[0] == 200, answer
    return np.array(answer[1]["predictions"])


def test_samples_are_those_of_the_seed(vae: Ask, model: trained_model.TrainedModel) -> None:
    found = predictions(vae(verb="sample", num_images=3, seed=5))
    np.testing.assert_allclose(found, model.sample(3, 5), atol=1e-6)
    np.testing.assert_array_equal(found, predictions(vae(num_images=4, seed=5))[:3])
    assert np.abs(found - predictions(vae(num_images=3, seed=6))).max() > 1e-3


def test_images_go_in_as_grey_values_floats_or_pngs(
    vae: Ask, model: trained_model.TrainedModel
) -> None:
    expected = model.reconstruct(FLOATS)
    for given in (rows(IMAGES), rows(FLOATS), rows([to_png(image) for image in IMAGES])):
        np.testing.assert_allclose(predictions(vae(given, verb="reconstruct")), expected, atol=1e-5)


def test_images_come_out_as_pngs(vae: Ask, model: trained_model.TrainedModel) -> None:
    found = predictions(vae(num_images=2, seed=1, format="png"))
    np.testing.assert_array_equal([from_png(text) for text in found], to_uint8(model.sample(2, 1)))


def test_decoded_code_is_the_reconstruction(vae: Ask) -> None:
    latents = predictions(vae(rows(IMAGES), verb="encode", format="png"))
    assert latents.shape == (3, 3)
    decoded = predictions(vae(rows(latents, "latents"), verb="decode"))
    np.testing.assert_allclose(
        decoded, predictions(vae(rows(IMAGES), verb="reconstruct")), atol=1e-5
    )


def test_path_between_two_images_and_two_latents(
    vae: Ask, model: trained_model.TrainedModel
) -> None:
    latents = model.encode(FLOATS[:2])
    expected = model.decode(interpolation.spherical(*latents, 5))
    for given in (rows(FLOATS[:2]), rows(latents, "latents")):
        np.testing.assert_allclose(
            predictions(vae(given, verb="interpolate", num_steps=5)), expected, atol=1e-5
        )


def test_grey_images_of_a_model_without_encoder(gan: Ask) -> None:
    latents = np.random.default_rng(0).standard_normal((2, 3))
    found = predictions(gan(rows(latents, "latents"), verb="decode", format="png"))
    assert [from_png(text).shape for text in found] == [(8, 8), (8, 8)]


NAN = '{"dataframe_records": [{"latents": [NaN, 0, 0]}], "params": {"verb": "decode"}}'


@pytest.mark.parametrize(
    ("body", "params", "line"),
    [
        (
            None,
            {"verb": "fly"},
            "verb must be one of sample, reconstruct, encode, decode, interpolate. Received",
        ),
        (
            None,
            {"num_images": MAX_IMAGES + 1},
            f"num_images must be from 1 to {MAX_IMAGES} in one request",
        ),
        (None, {"num_images": 0}, "num_images must be from 1"),
        (None, {"seed": -1}, "seed must be at least 0. Received: -1"),
        (None, {"format": "jpeg"}, "format must be one of array, png"),
        (None, {"source": "fitted"}, "source must be one of prior for vae"),
        (None, {"verb": "encode"}, "the table must be rows in the column 'images'. Received: none"),
        (rows(["a!"]), {"verb": "encode"}, "a text in `images` must be a PNG in base64"),
        (
            rows([base64.b64encode(b"GIF89a").decode()]),
            {"verb": "encode"},
            "must be a PNG in base64",
        ),
        (
            rows([to_png(np.zeros((3, 5), np.uint8))]),
            {"verb": "encode"},
            "must be 6x8 pixels. Received: 5x3",
        ),
        (rows([to_png(IMAGES[0])[:-40]]), {"verb": "encode"}, "must be a PNG in base64"),
        (
            rows(IMAGES[:, :5]),
            {"verb": "encode"},
            r"images must have the shape (n, 8, 6, 3). Received: (3, 5, 6, 3)",
        ),
        (rows(IMAGES * 1.0), {"verb": "encode"}, "images must be uint8, or floats in [0, 1]"),
        (rows(IMAGES.astype(int) + 1), {"verb": "encode"}, "grey values must be from 0 to 255"),
        (rows([[1, [2]]]), {"verb": "encode"}, "images must be nested lists of"),
        (rows([[[["a"]]]]), {"verb": "encode"}, "images must be nested lists of numbers"),
        (
            rows([[1, 2]], "latents"),
            {"verb": "decode"},
            "latents must have the shape (n, 3). Received: (1, 2)",
        ),
        (NAN, {}, "latents must be finite numbers"),
        (
            rows([[0, 0, 0]], "latents"),
            {"verb": "interpolate"},
            "two rows, the first and the last. Received: 1 rows",
        ),
        (
            rows([[0, 0, 0]] * (MAX_IMAGES + 1), "latents"),
            {"verb": "decode"},
            f"from 1 to {MAX_IMAGES} in one request",
        ),
    ],
)
def test_wrong_request_is_400_with_one_line(
    vae: Ask, body: Any, params: dict[str, Any], line: str
) -> None:
    status, answer = vae(body, **params)
    assert status == 400
    assert line in answer["message"]
    assert "\n" not in answer["message"]
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"


def test_what_a_gan_cannot_is_400(gan: Ask) -> None:
    status, answer = gan(rows(random_images(1)), verb="encode")
    assert (status, "encode must be asked of a model with an encoder" in answer["message"]) == (
        400,
        True,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def documented_requests() -> list[str]:
    """Returns the JSON bodies of the `curl` commands in docs/serving.md, in their order."""
    text = (ROOT / "docs" / "serving.md").read_text()
    return re.findall(r"-d '(\{.*?\})'", text, re.DOTALL)


@pytest.mark.slow
def test_the_documented_commands_on_a_real_server(folder: Path, vae: Ask, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "vae-pyfunc")]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
    }
    environment |= store.DEFAULTS | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process, tmp_path / "log")
            bodies = documented_requests()
            assert len(bodies) == 6
            for body in bodies:
                body = body.replace('"\'"$PNG"\'"', json.dumps(to_png(IMAGES[0])))
                expected = vae(body)
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
