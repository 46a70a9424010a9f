"""`genlab tune` from end to end: real processes, real trainings of few steps on the digits."""

import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tracking_workspace as lab
import tuning_workspace as tw
from optuna.trial import TrialState
from ruamel.yaml import YAML
from tuning_workspace import SECONDS_OF, Place, history, kill, wait_for

from genlab.settings import params
from genlab.tune.study import REASON, settled

NUM_TRIALS = 4
MODELS = [
    "vae",
    pytest.param("autoencoder", marks=pytest.mark.slow),
    pytest.param("gan", marks=pytest.mark.slow),
]
SEED = 0
"""Of the moments of the kills; the machine's own speed adds to the chance."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    """Returns a function that searches a model once, undisturbed."""
    places: dict[str, Place] = {}

    def search(model: str) -> Place:
        if model not in places:
            places[model] = Place(tmp_path_factory.mktemp(model))
            assert places[model].tune(model, NUM_TRIALS) == 0, places[model].said
        return places[model]

    return search


Studies = Callable[[str], Place]


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DVC_ROOT", str(tmp_path)
    )  # where this process's own questions to MLflow leave their lock


def with_vae(**changes: Any) -> dict[str, Any]:
    """Returns the section `tune` with other values for the VAE."""
    section = tw.values()["tune"]
    return section | {"vae": section["vae"] | changes}


# What a study leaves behind


@pytest.mark.parametrize("model", MODELS)
def test_study_comes_to_its_end(studies: Studies, model: str) -> None:
    place = studies(model)
    trials = place.trials(f"{model}-digits")
    assert [trial.number for trial in trials] == list(range(NUM_TRIALS))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(
        list(trial.intermediate_values) == [10, 20, 30][: len(trial.intermediate_values)]
        for trial in trials
    )
    present = params.load(place.root / "params.yaml").models[model]
    assert trials[0].params == {key: present[key] for key in tw.SPACES[model]}
    assert "validation frechet_distance: " in place.said or "nothing better" in place.said
    wait_for(lambda: not place.processes(), 20)
    assert not list(place.root.glob(".genlab/training/*/checkpoints"))


@pytest.mark.parametrize("model", MODELS)
def test_winner_is_measured_on_validation_and_judged_on_test(studies: Studies, model: str) -> None:
    facts = studies(model).facts(f"{model}-digits")
    trials = studies(model).trials(f"{model}-digits")
    source = "fitted" if model == "autoencoder" else "prior"
    scored = [
        trial.user_attrs["genlab.values"] for trial in trials if trial.state == TrialState.COMPLETE
    ]
    for values, trial in zip(scored, [trial for trial in trials if trial.values], strict=True):
        assert values[f"validation/{source}/frechet_distance"] == trial.values[0]
        assert not [name for name in values if name.startswith("test/")]
    for training in facts["finalists"]:
        assert not [name for name in training["values"] if name.startswith("test/")]
    best = min(
        facts["finalists"], key=lambda each: each["values"][f"validation/{source}/frechet_distance"]
    )
    assert facts["winner"] == best["contender"]
    for side in facts["trainings"].values():
        assert [each["index"] for each in side] == [0, 1]
        assert all(
            {f"{split}/{source}/frechet_distance" for split in ("validation", "test")}
            <= set(each["values"])
            for each in side
        )
    for difference in facts["differences"]:
        split, name = difference["name"].split(" ")
        before, after = (
            [each["values"][f"{split}/{source}/{name}"] for each in facts["trainings"][side]]
            for side in ("present", "winner")
        )
        assert difference["improvement"] == pytest.approx(np.mean(before) - np.mean(after))
        assert difference["spread"] == pytest.approx(
            math.hypot(np.std(before, ddof=1), np.std(after, ddof=1))
        )
        assert difference["is_larger_than_spread"] == (
            difference["improvement"] > difference["spread"]
        )


def test_winner_is_applied(studies: Studies) -> None:
    place = studies("vae")
    best = YAML(typ="safe").load(place.root / "reports/studies/vae-digits/best_params.yaml")
    assert best["data"] == "digits"
    assert best["models"] == {"vae": place.facts("vae-digits")["winner"]["settings"]}
    before = (place.root / "params.yaml").read_text()
    assert place.start("vae", "--apply").wait(60) == 0
    assert (
        params.load(place.root / "params.yaml").models["vae"].items()
        >= best["models"]["vae"].items()
    )
    assert place.start("vae", "--apply").wait(60) == 0
    assert "params.yaml has these settings already" in place.said
    (place.root / "params.yaml").write_text(before)


def test_study_of_another_space_is_refused(studies: Studies) -> None:
    place = studies("vae")
    place.write(tune=with_vae(steps=20))
    assert place.tune("vae", 5) == 1
    line = [line for line in place.said.splitlines() if line.startswith("error: ")]
    assert len(line) == 1
    assert (
        "the study 'vae-digits' must go on with what it began with. Received: another steps."
        in line[0]
    )
    assert len(place.trials("vae-digits")) == NUM_TRIALS
    place.write()


# MLflow


@pytest.mark.parametrize("model", MODELS)
def test_mlflow_has_a_parent_and_a_child_per_trial(studies: Studies, model: str) -> None:
    place = studies(model)
    uri = f"sqlite:///{place.root}/mlflow.db"
    runs = place.runs()
    assert lab.runs("genlab", uri) == []
    (parent,) = (run for run in runs if run.data.tags["genlab.run"] == "study")
    assert parent.info.run_name == f"{model}-digits"
    assert {run.info.status for run in runs} == {"FINISHED"}
    others = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in others} == {parent.info.run_id}
    children = {run.info.run_name: run for run in others if "in full" not in run.info.run_name}
    assert len(others) - len(children) in (3, 6)  # finalists, then two seeds of each side
    trials = place.trials(f"{model}-digits")
    assert sorted(children) == [f"trial {trial.number}" for trial in trials]
    for trial in trials:
        run = children[f"trial {trial.number}"]
        for key, value in trial.user_attrs["genlab.settings"].items():
            assert run.data.params[key] == str(value)
        assert run.data.tags["genlab.trial_state"] == trial.state.name.lower()
        assert [
            step
            for step, _ in lab.points(
                run,
                "validation/" + params.load(place.root / "params.yaml").tune[model].prune_by,
                uri,
            )
        ] == list(trial.intermediate_values)
        assert any(key.startswith("train/") for key in run.data.metrics)
        source = "fitted" if model == "autoencoder" else "prior"
        if trial.state == TrialState.COMPLETE:
            assert run.data.metrics[f"validation/{source}/frechet_distance"] == trial.values[0]
            assert run.data.metrics["objective"] == trial.values[0]
            pictures = lab.client(uri).list_artifacts(run.info.run_id, "images")
            assert any("samples" in picture.path for picture in pictures)


def test_parent_has_the_study(studies: Studies) -> None:
    place = studies("vae")
    uri = f"sqlite:///{place.root}/mlflow.db"
    (parent,) = (run for run in place.runs() if run.data.tags["genlab.run"] == "study")
    names = [file.path for file in lab.client(uri).list_artifacts(parent.info.run_id, "study")]
    assert {"study/best_params.yaml", "study/study.json"} <= set(names)
    best = [value for _, value in lab.points(parent, "best/frechet_distance", uri)]
    assert best == sorted(best, reverse=True)
    assert best[-1] == min(trial.values[0] for trial in place.trials("vae-digits") if trial.values)


# Failures


def test_failed_trials_are_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    """Every second learning rate is absurd: losses are not finite. The trial after them is as good as any."""
    space = {"learning_rate": {"choices": [1e-3, 1e30]}}
    place = Place(
        tmp_path / "x", search={"sampler": "grid"}, tune=with_vae(space=space, prune_by=None)
    )
    process = place.start("vae", "--trials", "9")
    wait_for(lambda: len(settled(place.trials("vae-digits"))) == 2, 200)
    kill(process)
    good, bad = place.trials("vae-digits")
    assert (good.state, bad.state) == (TrialState.COMPLETE, TrialState.FAIL)
    assert "the losses must be finite" in bad.user_attrs[REASON]
    assert "\n" not in bad.user_attrs[REASON]
    (run,) = (run for run in place.runs() if run.info.run_name == "trial 1")
    assert run.info.status == "FAILED"
    assert "the losses must be finite" in run.data.tags["genlab.reason"]


@pytest.mark.slow
def test_time_limit_is_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path / "x", search={"trial_seconds": 0.5})
    assert place.tune("vae", 3) == 1
    trials = place.trials("vae-digits")
    assert [trial.user_attrs.get(REASON) for trial in trials] == ["took longer than 0.5 s"] * 3
    assert (
        "a study must have a complete trial. Received: none (took longer than 0.5 s)" in place.said
    )
    wait_for(lambda: not place.processes(), 20)


@pytest.mark.slow
def test_memory_of_the_tuner_does_not_grow(tmp_path: Path) -> None:
    place = Place(tmp_path / "x", search={"pruner": "none"})
    process = place.start("vae", "--trials", "14")
    sizes = []
    for number in range(1, 14):
        wait_for(lambda: len(settled(place.trials("vae-digits"))) >= number, 200)  # noqa: B023
        status = Path(f"/proc/{process.pid}/status").read_text()
        sizes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    kill(process)
    print("resident MiB of the tuner after each trial:", [round(size) for size in sizes])
    assert sizes[-1] - sizes[3] < 15


# Kills of real trainings


def equal_to(trials: list[Any], whole: Place) -> bool:
    return history(trials) == history(whole.trials("vae-digits"))[: len(trials)]


@pytest.mark.slow
def test_kill_of_a_training_makes_the_same_study(studies: Studies, tmp_path: Path) -> None:
    place = Place(tmp_path / "x", search={})
    process = place.start("vae", "--trials", str(NUM_TRIALS))
    for number in (0, 2):
        wait_for(lambda: len(place.trials("vae-digits")) > number, 200)  # noqa: B023
        victim = wait_for(lambda: trainings(place, process.pid), 60)[0]
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        print(f"killed the training of trial {number}")
    wait_for(lambda: len(settled(place.trials("vae-digits"))) == NUM_TRIALS, 300)
    kill(process)
    assert equal_to(place.trials("vae-digits"), studies("vae"))
    names = [run.info.run_name for run in place.runs()]
    assert len(names) == len(set(names))


def trainings(place: Place, tuner: int) -> list[int]:
    """Returns the processes of trials: what the fork server forked."""
    found = []
    for pid in place.processes():
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            grandparent = int(
                Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:
            continue
        if grandparent == tuner and parent != tuner:
            found.append(pid)
    return found


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_kills_of_tuners_make_the_same_study(studies: Studies, tmp_path: Path) -> None:
    """kill -9 at ten random moments at least, the same command again: equal to the bit."""
    place, rng, kills, began = (
        Place(tmp_path / "x"),
        np.random.default_rng(SEED),
        0,
        time.monotonic(),
    )
    while len(settled(place.trials("vae-digits"))) < NUM_TRIALS or kills < 10:
        process, started = place.start("vae", "--trials", str(NUM_TRIALS)), time.monotonic()
        if (
            kills % 4
        ):  # the moments before the first trial are few; none keeps a checkpoint, so some must be late
            wait_for(lambda: trainings(place, process.pid) or process.poll() is not None, 200)  # noqa: B023
        time.sleep(rng.random() * (5 + 2 * kills))
        if process.poll() is None:
            kill(process)
        kills += 1
        wait_for(lambda: not place.processes(), 20)
        trials = place.trials("vae-digits")
        running = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
        print(
            f"kill {kills}: {time.monotonic() - started:.1f} s after the start, "
            f"{len(settled(trials))} over, running: {running}",
            flush=True,
        )
        assert equal_to([trial for trial in trials if trial.state.is_finished()], studies("vae"))
    assert place.tune("vae", NUM_TRIALS) == 0, place.said
    print(f"{kills} kills in {time.monotonic() - began:.0f} s")
    whole = studies("vae")
    assert equal_to(place.trials("vae-digits"), whole)
    names = sorted(run.info.run_name for run in place.runs())
    assert names == sorted(run.info.run_name for run in whole.runs())
    scores = [place.facts("vae-digits")["trainings"], whole.facts("vae-digits")["trainings"]]
    for side in ("present", "winner"):
        for ours, theirs in zip(scores[0][side], scores[1][side], strict=True):
            for each in (ours, theirs):
                each["values"] = {
                    key: value for key, value in each["values"].items() if key not in SECONDS_OF
                }
            assert ours == theirs


@pytest.mark.slow
def test_ctrl_c_leaves_a_study_that_goes_on(studies: Studies, tmp_path: Path) -> None:
    place = Place(tmp_path / "x")
    process = place.start("vae", "--trials", str(NUM_TRIALS))
    wait_for(lambda: len(place.trials("vae-digits")) > 1, 200)
    wait_for(lambda: trainings(place, process.pid), 60)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert "stopped; the same command goes on where it can" in place.said
    assert "Traceback" not in place.said
    wait_for(lambda: not place.processes(), 20)
    process = place.start("vae", "--trials", str(NUM_TRIALS))
    wait_for(lambda: len(settled(place.trials("vae-digits"))) == NUM_TRIALS, 300)
    kill(process)
    assert equal_to(place.trials("vae-digits"), studies("vae"))


@pytest.mark.slow
def test_several_objectives_make_a_front(tmp_path: Path) -> None:
    place = Place(
        tmp_path / "x",
        search={"pruner": "none", "sampler": "nsga2"},
        tune=with_vae(
            objective=[
                "frechet_distance",
                "mse",
                "negative_elbo",
                "kernel_distance",
                "train_seconds",
            ]
        ),
    )
    assert place.tune("vae", 3) == 0, place.said
    assert [len(trial.values) for trial in place.trials("vae-digits")] == [5, 5, 5]
