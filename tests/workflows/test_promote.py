"""A champion gives way to better scores under the same protocol, and to nothing else."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import tracking_workspace as lab
from click.testing import CliRunner

from genlab import cli
from genlab.contract import comparison
from genlab.contract.score import Floor, Score
from genlab.runtime.errors import InputError
from genlab.tracking import packaging, registry

NAME = "test/prior/frechet_distance"
PROTOCOL = {"split": "test", "num_real": 10, "seed": 1}


def score(value: float, margin: float | None = 1.0, **changes: Any) -> Score:
    interval = None if margin is None else (value - margin, value + margin)
    floor = {"floor": Floor(2.0, (1.5, 2.5))}
    base = Score(value, interval, "by hand", "points", "lower", "here", "samples", PROTOCOL, floor)
    return dataclasses.replace(base, **changes)


# What counts as better

HIGH = {"direction": "higher"}


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (score(5.0), score(10.0), ""),
        (score(10.0), score(5.0), "it is worse by 5"),
        (score(5.0), score(5.0), "it is the same"),
        (score(8.5), score(10.0), "it is better by 1.5, which lies within the intervals"),
        (score(7.9), score(10.0), ""),
        (score(8.5, None), score(10.0), ""),
        (score(9.5, None), score(10.0, None), ""),
        (
            score(1.9, **HIGH),
            score(1.0, None, **HIGH),
            "it is better by 0.9, which lies within the intervals",
        ),
        (score(10.0, **HIGH), score(5.0, **HIGH), "it is the same"),  # both above the floor
        (score(1.0), score(1.9), "it is the same"),  # both below it
        (score(0.5, **HIGH), score(1.5, **HIGH), "it is worse by 1"),
        (
            score(5.0, protocol=PROTOCOL | {"seed": 2}),
            score(10.0),
            "it was measured by another protocol: seed 2, the champion's 1",
        ),
    ],
)
def test_what_counts_as_better(mine: Score, theirs: Score, expected: str) -> None:
    assert comparison.objection(mine, theirs) == expected


def test_metric_without_direction_decides_nothing() -> None:
    with pytest.raises(InputError) as error:
        comparison.objection(score(1.0, direction="none"), score(2.0, direction="none"))
    assert (error.value.received, error.value.where) == ("direction 'none'", "See --by")


@pytest.mark.parametrize(
    ("names", "by", "expected"),
    [
        ([NAME, "test/fitted/frechet_distance"], "frechet_distance", NAME),
        (["test/fitted/mse", "test/reconstruction/mse"], "mse", "test/fitted/mse"),
        (["test/translation/mse"], "mse", "test/translation/mse"),
        (["test/reconstruction/mse"], "mse", "test/reconstruction/mse"),
        (["test/latent/x"], "test/latent/x", "test/latent/x"),
        ([], "frechet_distance", None),
    ],
)
def test_samples_from_the_prior_decide_first(
    names: list[str], by: str, expected: str | None
) -> None:
    assert comparison.deciding(dict.fromkeys(names, score(1.0)), by) == expected


def test_sentence_has_interval_and_floor() -> None:
    text = f"Fréchet distance of samples ({NAME}): **10**, 95% interval 9 to 11"
    floor = "as many real training images have 2 (1.5 to 2.5), a factor of 5"
    assert comparison.sentence({NAME: score(10.0)}) == f"{text}; {floor}. Lower is better."
    assert comparison.sentence({NAME: score(10.0, floor={})}) == f"{text}; lower is better."
    assert comparison.sentence({}) == "Its samples have no Fréchet distance."


# The champion


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packaging, "save", pack)
    return lab.enter(monkeypatch, tmp_path)


def pack(folder: Path, target: Path) -> None:
    """Writes what a registry needs of a pyfunc: MLflow's own packing has tests of its own."""
    (target / "artifacts" / "result").mkdir(parents=True)
    for path in folder.iterdir():
        (target / "artifacts" / "result" / path.name).write_bytes(path.read_bytes())
    (target / "MLmodel").write_text("flavors: {python_function: {loader_module: none}}\n")


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write(
    root: Path, key: str, value: float, dataset: str = "digits", copied: float = 0.0, **changes: Any
) -> None:
    """Writes a trained model and its scores."""
    settings = {"name": "vae", "kind": "vae", "dataset": dataset, "train_key": key}
    write_json(root / "models" / "vae" / "settings.json", settings)
    written = score(value, **changes)
    facts = {"train_key": key, "protocol": json.dumps(written.protocol)[:32]}
    numbers = {NAME: written, "test/prior/copied_share": score(copied, 0.01)}
    scores = facts | {"metrics": {name: number.to_json() for name, number in numbers.items()}}
    write_json(root / "scores" / "vae" / "scores.json", scores)


def promote(root: Path, *options: str) -> tuple[int, str]:
    folders = [f"--models={root / 'models'}", f"--scores={root / 'scores'}"]
    result = CliRunner().invoke(cli.main, ["promote", "vae", *folders, *options])
    return result.exit_code, result.output.strip()


def champion() -> str:
    folder = registry.model_folder("models:/vae@champion")
    return json.loads((folder / "settings.json").read_text())["train_key"]


def version() -> Any:
    return lab.client().get_model_version_by_alias("vae", "champion")


def test_only_the_better_one_becomes_champion(root: Path) -> None:
    write(root, "a", 10.0)
    told = f"{NAME} 10 (9 to 11) in this training"
    assert promote(root) == (0, f"vae is the champion now: models:/vae/1, {told}")
    assert promote(root) == (0, "vae is the champion already: models:/vae/1")
    for value, changes, reason in (
        (12.0, {}, "worse by 2; it has 12 (11 to 13), the champion models:/vae/1 10 (9 to 11)"),
        (9.0, {}, "better by 1, which lies within the intervals"),
        (5.0, {"protocol": PROTOCOL | {"num_real": 99}}, "num_real 99, the champion's 10"),
        (5.0, {"dataset": "mnist"}, "it was trained on mnist, the champion models:/vae/1 on"),
    ):
        write(root, "b", value, **changes)
        code, text = promote(root)
        assert (code, text.startswith("vae is not promoted: ")) == (3, True)
        assert reason in text
    assert champion() == "a"
    write(root, "f", 5.0)
    assert promote(root)[0] == 0
    assert champion() == "f"
    tags = {
        "genlab.train_key": "f",
        "genlab.dataset": "digits",
        "genlab.decided_by": NAME,
        "genlab.score": "5 (4 to 6)",
    }
    assert int(version().version) == 2
    assert version().tags == version().tags | tags
    assert "**5**" in version().description
    assert f"Better than version 1 by {NAME}: 10 (9 to 11) before." in version().description


def test_copies_of_train_images_are_no_champion(root: Path) -> None:
    write(root, "a", 3.0, copied=0.5)
    told = "a share of 0.5 (0.49 to 0.51) copies train images"
    assert promote(root) == (3, f"vae is not promoted: of its prior samples {told}")
    assert promote(root, "--force", "asked for")[0] == 0


def test_a_reason_overrules_the_scores_and_is_kept(root: Path) -> None:
    write(root, "a", 5.0)
    promote(root)
    write(root, "b", 12.0)
    assert promote(root, "--force", "smaller")[0] == 0
    assert champion() == "b"
    assert version().tags["genlab.forced"] == "smaller"
    assert "Promoted whatever the scores say: smaller" in version().description


@pytest.mark.slow
def test_champion_is_kept_and_fetched_by_a_server(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "mlflow")  # as genlab has it
    server = lab.Server(root)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "over-http")  # its artifacts go through the server
    try:
        write(root, "a", 10.0)
        assert promote(root)[0] == 0
        folder = registry.model_folder("models:/vae@champion")
        assert folder.is_relative_to(root / ".genlab" / "registry")
        write(root, "b", 9.5)
        assert "better by 0.5, which lies within the intervals" in promote(root)[1]
        write(root, "c", 5.0)
        assert promote(root)[0] == 0
        assert champion() == "c"
    finally:
        server.kill()
    code, text = promote(root, "--force", "again")
    assert (code, text.count("\n")) == (1, 0)
    assert f"MLflow must answer at {server.address}" in text


def test_what_cannot_be_judged_is_an_error(root: Path) -> None:
    def assert_refused(part: str, *options: str) -> None:
        code, text = promote(root, *options)
        assert (code, part in text) == (1, True), text

    assert_refused("must be a trained model")
    write(root, "a", 5.0)
    assert_refused("(nearest: 'test/prior/frechet_distance')", "--by=test/prior/frechet_distanse")
    settings = {"name": "vae", "kind": "vae", "dataset": "digits", "train_key": "other"}
    write_json(root / "models" / "vae" / "settings.json", settings)
    assert_refused("those of another training. Run: dvc repro evaluate@vae")
    (root / "scores" / "vae" / "scores.json").unlink()
    assert_refused("must be scored")
