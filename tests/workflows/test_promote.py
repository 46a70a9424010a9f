"""A champion gives way to better scores under the same protocol, and to nothing else."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import tracking_workspace as lab
from click.testing import CliRunner

from genlab import cli, tracking
from genlab.measurement import comparison
from genlab.runtime.errors import InputError
from genlab.tracking import packaging
from genlab.workflows import promotion

NAME = "test/prior/frechet_distance"
PROTOCOL = {"split": "test", "num_real": 10, "seed": 1}


def metric(value: float, margin: float | None = 1.0, **changes: Any) -> dict[str, Any]:
    interval = None if margin is None else [value - margin, value + margin]
    floor = {"floor": {"value": 2.0, "interval": [1.5, 2.5]}}
    return {
        "value": value,
        "interval": interval,
        "direction": "lower",
        "protocol": PROTOCOL,
        "floor": floor,
    } | changes


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (metric(5.0), metric(10.0), ""),
        (metric(10.0), metric(5.0), "it is worse by 5"),
        (metric(5.0), metric(5.0), "it is the same"),
        (metric(8.5), metric(10.0), "it is better by 1.5, which lies within the intervals"),
        (metric(7.9), metric(10.0), ""),
        (metric(8.5, None), metric(10.0), ""),
        (metric(9.5, None), metric(10.0, None), ""),
        (metric(10.0, direction="higher"), metric(5.0, direction="higher"), ""),
        (metric(5.0, direction="higher"), metric(10.0, direction="higher"), "it is worse by 5"),
        (
            metric(5.0, protocol=PROTOCOL | {"seed": 2}),
            metric(10.0),
            "it was measured by another protocol: seed 2, the champion's 1",
        ),
    ],
)
def test_what_counts_as_better(mine: dict[str, Any], theirs: dict[str, Any], expected: str) -> None:
    assert comparison.objection(mine, theirs) == expected


def test_metric_without_direction_decides_nothing() -> None:
    with pytest.raises(InputError, match="must be better low or high"):
        comparison.objection(metric(1.0, direction="none"), metric(2.0, direction="none"))


def test_prior_samples_decide_before_fitted_ones() -> None:
    both = {"test/fitted/frechet_distance": metric(1.0), NAME: metric(2.0)}
    assert comparison.deciding(both) == NAME
    assert (
        comparison.deciding({"test/fitted/frechet_distance": metric(1.0)})
        == "test/fitted/frechet_distance"
    )
    assert (
        comparison.deciding({"test/reconstruction/mse": metric(1.0)}, "mse")
        == "test/reconstruction/mse"
    )
    assert comparison.deciding({"test/latent/x": metric(1.0)}, "test/latent/x") == "test/latent/x"
    assert comparison.deciding({}) is None


def test_sentence_has_interval_and_floor() -> None:
    assert comparison.sentence({NAME: metric(10.0)}) == (
        f"Fréchet distance of samples ({NAME}): **10**, 95% interval 9 to 11; as many real training images have "
        "2 (1.5 to 2.5), a factor of 5. Lower is better."
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packaging, "save", pack)
    return lab.enter(monkeypatch, tmp_path)


def pack(folder: Path, target: Path) -> None:
    """Writes what a registry needs of a pyfunc: MLflow's own packing is tested in test_tracking_model."""
    (target / "artifacts" / "result").mkdir(parents=True)
    for path in folder.iterdir():
        (target / "artifacts" / "result" / path.name).write_bytes(path.read_bytes())
    (target / "MLmodel").write_text("flavors: {python_function: {loader_module: none}}\n")


def write(root: Path, key: str, value: float, **changes: Any) -> None:
    """Writes a trained model and its scores."""
    (root / "models" / "vae").mkdir(parents=True, exist_ok=True)
    settings = {
        "name": "vae",
        "kind": "vae",
        "dataset": changes.pop("dataset", "digits"),
        "train_key": key,
    }
    (root / "models" / "vae" / "settings.json").write_text(json.dumps(settings))
    (root / "scores" / "vae").mkdir(parents=True, exist_ok=True)
    found = metric(value, **changes)
    scores = {
        "train_key": key,
        "protocol": json.dumps(found["protocol"])[:32],
        "metrics": {NAME: found},
    }
    (root / "scores" / "vae" / "scores.json").write_text(json.dumps(scores))


def promote(root: Path, *options: str) -> tuple[int, str]:
    arguments = [
        "promote",
        "vae",
        "--models",
        str(root / "models"),
        "--scores",
        str(root / "scores"),
        *options,
    ]
    result = CliRunner().invoke(cli.main, arguments)
    return result.exit_code, result.output.strip()


def champion(root: Path) -> str:
    return json.loads(
        (tracking.model_folder("models:/vae@champion") / "settings.json").read_text()
    )["train_key"]


def test_only_the_better_one_becomes_champion(root: Path) -> None:
    write(root, "a", 10.0)
    assert promote(root) == (0, f"vae is the champion now: models:/vae/1, {NAME} 10 (9 to 11)")
    assert promote(root) == (0, "vae is the champion already: models:/vae/1")
    write(root, "b", 12.0)
    said = (
        f"by {NAME} it is worse by 2; it has 12 (11 to 13), the champion models:/vae/1 10 (9 to 11)"
    )
    assert promote(root) == (3, f"vae is not promoted: {said}")
    write(root, "c", 9.0)
    assert "better by 1, which lies within the intervals" in promote(root)[1]
    write(root, "d", 5.0, protocol=PROTOCOL | {"num_real": 99})
    assert promote(root)[0] == 3
    assert "another protocol: num_real 99, the champion's 10" in promote(root)[1]
    write(root, "e", 5.0, dataset="mnist")
    assert promote(root)[0] == 3
    assert champion(root) == "a"
    write(root, "f", 5.0)
    assert promote(root)[0] == 0
    assert champion(root) == "f"
    version = lab.client().get_model_version_by_alias("vae", "champion")
    assert version.version == "2" or version.version == 2
    kept = {
        "genlab.train_key": "f",
        "genlab.dataset": "digits",
        "genlab.decided_by": NAME,
        "genlab.score": "5 (4 to 6)",
    }
    assert version.tags | kept == version.tags
    assert "**5**" in version.description
    assert f"Better than version 1 by {NAME}: 10 (9 to 11) before." in version.description


def test_champion_is_kept_and_fetched_by_a_server(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(
        logging.WARNING, "mlflow"
    )  # as genlab has it, where no test before has imported MLflow
    server = lab.Server(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "over-http")  # its artifacts go through the server
    server.start()
    try:
        write(root, "a", 10.0)
        assert promote(root) == (0, f"vae is the champion now: models:/vae/1, {NAME} 10 (9 to 11)")
        folder = tracking.model_folder("models:/vae@champion")
        assert folder.is_relative_to(root / ".genlab" / "registry")
        assert champion(root) == "a"
        write(root, "b", 9.5)
        assert "better by 0.5, which lies within the intervals" in promote(root)[1]
        write(root, "c", 5.0)
        assert promote(root)[0] == 0
        assert champion(root) == "c"
    finally:
        server.kill()
    code, said = promote(root, "--force", "again")
    assert (code, said.count("\n")) == (1, 0)
    assert f"MLflow must answer at {server.address}" in said


def test_a_reason_overrules_the_scores_and_is_kept(root: Path) -> None:
    write(root, "a", 5.0)
    promote(root)
    write(root, "b", 12.0)
    assert promote(root, "--force", "smaller")[0] == 0
    assert champion(root) == "b"
    version = lab.client().get_model_version_by_alias("vae", "champion")
    assert version.tags["genlab.forced"] == "smaller"
    assert "Promoted whatever the scores say: smaller" in version.description


def test_what_cannot_be_judged_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = promote(root)
    assert (code, "must be a trained model" in said) == (1, True)
    write(root, "a", 5.0)
    code, said = promote(root, "--by", "test/prior/frechet_distanse")
    assert (code, "(nearest: 'test/prior/frechet_distance')" in said) == (1, True)
    (root / "models" / "vae" / "settings.json").write_text(
        json.dumps({"name": "vae", "kind": "vae", "dataset": "digits", "train_key": "other"})
    )
    code, said = promote(root)
    assert (code, "those of another training. Run: dvc repro evaluate@vae" in said) == (1, True)
    (root / "scores" / "vae" / "scores.json").unlink()
    code, said = promote(root)
    assert (code, "must be scored" in said) == (1, True)
    write(root, "a", 5.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="MLflow must answer"):
        promotion.promote(root / "models" / "vae", root / "scores" / "vae")
