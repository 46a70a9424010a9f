"""The page of any runs from MLflow, and how a page is made again."""

import dataclasses
import html
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tracking_workspace
from click.testing import CliRunner
from report_workspace import PRIOR, Page, row, score
from test_pages import assert_as_stored

from genlab import cli, tracking
from genlab.report import comparison, revision
from genlab.runtime.errors import InputError
from genlab.tracking import Fetched


@pytest.fixture
def png(tmp_path: Path) -> bytes:
    return tracking_workspace.picture(tmp_path).read_bytes()


def fetched(name: str, png: bytes = b"", **changes: Any) -> Fetched:
    metric = score(3.0, interval=None, protocol={"split": "test", "num_real": 2000})
    run = Fetched(
        run_id="a" * 32,
        name=name,
        model="vae",
        kind="vae",
        tags={"genlab.data_hash": "d" * 64},
        params={"model.kl_weight": "1.0", "seed": "0"},
        scores={"metrics": {PRIOR: metric}},
        history={"train/loss": ([1, 2], [5.0, 4.0])},
        pictures={"prior_samples": png} if png else {},
        url="",
    )
    return dataclasses.replace(run, **changes)


def test_runs_are_compared_and_what_differs_is_told(png: bytes) -> None:
    params = {"model.kl_weight": "2.0", "seed": "0"}
    text = comparison.render(
        [fetched("first <run>", png), fetched("second", png, run_id="b" * 32, params=params)]
    )
    assert_as_stored("compared", Page(text).outline())
    assert html.escape("first <run>") in text
    assert "first <run>" not in text
    assert row(text, "Fréchet distance") == ["3.000 best", "3.000 best"]


@pytest.mark.parametrize(
    ("tags", "why"), [({"genlab.data_hash": "e" * 64}, "data is"), ({}, "data is unknown")]
)
def test_runs_on_other_data_are_not_compared(tags: dict[str, str], why: str) -> None:
    runs = [fetched("one"), fetched("two", run_id="b" * 32), fetched("three", tags=tags)]
    cells = row(comparison.render(runs), "Fréchet distance")
    assert cells[:2] == ["3.000 best"] * 2
    assert cells[2].startswith("– measured by another protocol")
    assert why in cells[2]


def test_runs_without_scores_and_of_equal_names() -> None:
    bare = fetched("same", scores={}, history={})
    text = comparison.render([bare, dataclasses.replace(bare, run_id="b" * 32)])
    assert "None of these runs holds scores" in text
    assert all(name in text for name in ("same aaaaaaaa", "same bbbbbbbb"))
    assert "plotly" not in text


def test_scores_of_another_form_are_refused() -> None:
    with pytest.raises(InputError) as error:
        comparison.render([fetched("old", scores={"metrics": {PRIOR: {"value": 1.0}}})])
    assert "the run old" in error.value.expected


def test_runs_are_fetched_by_id_name_and_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tracking_workspace.enter(monkeypatch, tmp_path)
    for index, weight in enumerate((1.0, 2.0)):
        facts: Any = {"run_name": f"run {index}", "params": {"kl_weight": weight}}
        keys = {"training_id": f"t{index}", "train_key": f"k{index}"}
        with tracking_workspace.training(**facts, **keys) as run:
            run.log_metrics({"train/loss": 5.0, "system/cpu_utilization_percentage": 90.0}, step=1)
            run.log_metrics({"train/loss": 4.0, "system/cpu_utilization_percentage": 95.0}, step=2)
    (root / "scores").mkdir()
    (root / "scores" / "scores.json").write_text(json.dumps(fetched("x").scores))
    with tracking_workspace.scoring(train_key="k0") as run:
        run.log_artifact(root / "scores", "scores")
        run.log_artifact(tracking_workspace.picture(root), "evaluation")
    by_name, by_model = tracking.fetch(["run 1", "vae"])
    assert by_name.params["kl_weight"] == "2.0"
    assert by_name.history == {"train/loss": ([1, 2], [5.0, 4.0])}
    assert by_model.name == "run 0"  # the newest that has scores
    assert by_model.scores == fetched("x").scores
    assert [*by_model.pictures] == ["grid"]
    assert [run.name for run in tracking.fetch([by_name.run_id, by_name.run_id[:8]])] == ["run 1"]
    command = ["report", "--runs", "run 0, run 1", "--out", "compared/page.html"]
    assert CliRunner().invoke(cli.main, command).exit_code == 0
    assert "2 runs compared" in (root / "compared" / "page.html").read_text(encoding="utf-8")
    command = ["report", "--runs", "run 0,nobody", "--out", "other.html"]
    done = CliRunner().invoke(cli.main, command)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "Received: 'nobody'. Its runs: run 0, run 1" in done.stderr
    assert not (root / "other.html").exists()


def test_stage_without_its_paths_says_which_is_missing() -> None:
    done = CliRunner().invoke(cli.main, ["report", "--out", "page.html"])
    assert done.exit_code == 2
    assert "Missing option '--models'" in done.stderr


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=one", "-c", "user.email=one@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def test_revision_names_what_differs_from_the_commit(workplace: Path) -> None:
    assert revision.of_working_directory() == revision.Revision()
    params, vae = workplace / "params.yaml", "models: {{vae: {{kl_weight: {}, widths: [5]}}}}"
    params.write_text(f"seed: 0\n{vae.format(1.0)}\nold: 1\n")
    (workplace / "code.py").touch()
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    first = revision.of_working_directory()
    assert (len(first.commit), first.is_clean, first.overrides) == (40, True, ())
    params.write_text(f"seed: 0\n{vae.format(2.0)}\nnew: true\n")
    changed = revision.of_working_directory()
    overrides = ("models.vae.kl_weight=2.0", "+new=true", "~old")
    assert (changed.is_clean, changed.overrides) == (True, overrides)
    (workplace / "code.py").write_text("changed")
    assert "plus changes of the code" in revision.of_working_directory().sentence()
