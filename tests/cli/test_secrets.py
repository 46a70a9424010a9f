"""A password in an address: no command, log or file shows it."""

import json
from pathlib import Path
from typing import Any

import pytest
import tracking_workspace as lab
from click.testing import CliRunner

from genlab import cli
from genlab.contract.score import Score
from genlab.datasets import mnist
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.tune import storage

ROOT = Path(__file__).parents[2]
SECRET = "pl@nted-s3cret"
PART = "s3cret"
MODEL = ("models:/vae@champion", "--out", "out")
STAGE = {"evaluate": ("model", "images", "features", "floor", "scores", "pictures")}
STAGE |= {"features": ("images", "out"), "floor": ("images", "features", "out")}
STAGE |= {"pin": ("images", "out"), "validate": ("images", "out", "data-docs")}
COMMANDS: dict[str, tuple[str, ...]] = {
    "check": (),
    "doctor": (),
    "export": (*MODEL, "--format", "onnx"),
    "fetch": ("--out", "out"),
    "generate": MODEL,
    "promote": ("vae", "--scores", "scores"),
    "rate-distortion": ("vae",),
    "reconstruct": MODEL,
    "repeat": ("vae", "--images=a", "--features=b", "--out=c"),
    "report": ("--runs", "vae", "--out", "out.html"),
    "score": ("--real", "a", "--generated", "b", "--features", "inception"),
    "sync": (),
    "train": ("vae", "--images=a", "--features=b", "--out=c", "--timings=d"),
    "translate": (*MODEL, "--inputs", "a"),
    "tune": ("vae", "--trials", "3"),
    "ui": (),
    **{name: tuple(f"--{option}=a" for option in options) for name, options in STAGE.items()},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a trained model and a run that waits for its server."""
    monkeypatch.setattr(cli.group.stopping, "install", lambda: None)
    monkeypatch.setattr(cli.group, "_verbosity", lambda *values: {})
    lab.enter(monkeypatch, tmp_path)
    text = (ROOT / "params.yaml").read_text().replace("name: digits", "name: mnist", 1)
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "data" / "own_images").mkdir(parents=True)
    settings = {"name": "vae", "kind": "vae", "dataset": "mnist", "train_key": "key"}
    score = Score(1.0, None, "by hand", "points", "lower", "here", "samples", {}, {})
    metrics = {"test/prior/frechet_distance": score.to_json()}
    scores = {"train_key": "key", "protocol": "p", "metrics": metrics}
    for path, content in (("models/vae/settings", settings), ("scores/vae/scores", scores)):
        file = tmp_path / f"{path}.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content))
    files = tuple(file._replace(addresses=()) for file in mnist.FILES)
    monkeypatch.setattr(mnist, "FILES", files)
    return tmp_path


@pytest.mark.slow
def test_no_command_shows_a_password(
    place: Path, params: Params, monkeypatch: pytest.MonkeyPatch, caplog: Any, capfd: Any
) -> None:
    assert set(COMMANDS) == set(cli.main.commands), "every command is tried"
    closed = lab.free_port()
    monkeypatch.setenv("GENLAB_DATA_MIRROR", f"http://me:{SECRET}@127.0.0.1:{closed}")
    graph = f"http://me:{SECRET}@127.0.0.1:{closed}/graph.pb"
    outputs = []
    with lab.breaking_server() as port:
        for uri in (f"http://me:{SECRET}@127.0.0.1:{port}", f"http://{PART}@127.0.0.1:{port}"):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
            with lab.training() as run:
                run.log_metrics({"loss": 1.0}, 1)
            for name, words in COMMANDS.items():
                more = ("--inception-graph", graph) if name == "score" else ()
                result = CliRunner().invoke(cli.main, [name, *words, *more])
                assert result.exception is None or isinstance(result.exception, SystemExit), name
                outputs.append(result.output)
    monkeypatch.setenv(storage.ADDRESS, f"postgresql://me:pl%40{PART}@127.0.0.1:{closed}/a")
    with pytest.raises(InputError) as error:
        storage.open_storage(params.search, "any")
    outputs += [str(error.value), caplog.text, *capfd.readouterr()]
    files = [path for path in place.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files)
    for name in ("doctor", "export", "generate", "promote", "report", "sync"):
        assert "127.0.0.1" in outputs[list(COMMANDS).index(name)], name
    assert PART not in "".join(outputs)
    assert PART.encode() not in written
