"""`genlab tune` from end to end: real processes, real trainings of few steps on the digits."""

import math
import os
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tracking_workspace as lab
import tuning_workspace as tw
from optuna.trial import TrialState
from scipy import stats
from tuning_workspace import SECONDS_OF, Place, history, kill, wait_for

from genlab.settings import params
from genlab.tune.study import REASON, settled

pytestmark = pytest.mark.slow
STUDY = "vae-digits"
NUM_TRIALS = 4
MODELS = {"vae": "prior", "autoencoder": "fitted", "gan": "prior"}
"""The source of each model's samples."""
SEED = 0
"""Of the moments of the kills; the machine's own speed adds to the chance."""
Studies = Callable[[str], Place]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    """Returns a function that searches a model once, undisturbed."""
    places: dict[str, Place] = {}

    def search(model: str) -> Place:
        if model not in places:
            places[model] = Place(tmp_path_factory.mktemp(model))
            assert places[model].tune(model, NUM_TRIALS) == 0, places[model].said
        return places[model]

    return search


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's own questions to MLflow leave their lock there."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


# What a study leaves behind


@pytest.mark.parametrize("model", MODELS)
def test_study_comes_to_its_end(studies: Studies, model: str) -> None:
    place = studies(model)
    trials = place.trials(f"{model}-digits")
    assert [trial.number for trial in trials] == list(range(NUM_TRIALS))
    for trial in trials:
        steps = list(trial.intermediate_values)
        assert steps == [10, 20, 30][: len(steps)]
        assert trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    present = params.load(place.root / "params.yaml").models[model]
    assert trials[0].params == {key: present[key] for key in tw.SPACES[model]}
    assert f"{model}-digits: the " in place.said
    wait_for(lambda: not place.processes(), 20)
    assert not list(place.root.glob(".genlab/training/*/checkpoints"))


@pytest.mark.parametrize("model", MODELS)
def test_winner_is_measured_on_validation_and_judged_on_test(studies: Studies, model: str) -> None:
    facts = studies(model).facts(f"{model}-digits")
    address = f"/{MODELS[model]}/frechet_distance"
    complete = [trial for trial in facts["trials"] if trial["state"] == "complete"]
    for trial in complete:
        assert trial["values"][f"validation{address}"] == trial["objectives"][0]
    for training in (*complete, *facts["finalists"]):
        assert not [name for name in training["values"] if name.startswith("test/")]
    best = min(facts["finalists"], key=lambda each: each["values"][f"validation{address}"])
    assert facts["winner"] == best["contender"]
    sides = [facts["trainings"][side] for side in ("present", "winner")]
    assert [[training["index"] for training in side] for side in sides] == [
        [1, 2]
    ] * 2  # index 0 chose
    for difference in facts["differences"]:
        split, _ = difference["name"].split(" ")
        before, after = (
            [training["values"][split + address] for training in side] for side in sides
        )
        squares = [statistics.variance(side) / len(side) for side in (before, after)]
        improvement = statistics.mean(before) - statistics.mean(after)
        assert difference["improvement"] == pytest.approx(improvement)
        freedom = sum(squares) ** 2 / sum(square**2 / (len(before) - 1) for square in squares)
        tail = stats.t.sf(abs(improvement) / math.sqrt(sum(squares)), freedom)
        assert difference["p_value"] == pytest.approx(2 * tail)
        assert difference["is_significant"] == (2 * tail < 0.05)


def test_winner_is_applied(studies: Studies) -> None:
    place = studies("vae")
    before = (place.root / "params.yaml").read_text()
    assert place.start("vae", "--apply").wait(60) == 0
    settings = place.facts(STUDY)["winner"]["settings"]
    assert params.load(place.root / "params.yaml").models["vae"].items() >= settings.items()
    assert place.start("vae", "--apply").wait(60) == 0
    assert "params.yaml has these settings already" in place.said
    (place.root / "params.yaml").write_text(before)


def test_study_of_another_space_is_refused(studies: Studies) -> None:
    place = studies("vae")
    place.write(tune=tw.with_tune(steps=20))
    assert place.tune("vae", 5) == 1
    (line,) = [line for line in place.said.splitlines() if line.startswith("error: ")]
    assert "Received: another steps." in line
    assert len(place.trials(STUDY)) == NUM_TRIALS
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
    prune_by = params.load(place.root / "params.yaml").tune[model].prune_by
    for trial in trials:
        run = children[f"trial {trial.number}"]
        settings = trial.user_attrs["genlab.settings"].items()
        assert {key: run.data.params[key] for key, _ in settings} == {
            key: str(value) for key, value in settings
        }
        assert run.data.tags["genlab.trial_state"] == trial.state.name.lower()
        steps = [step for step, _ in lab.points(run, f"validation/{prune_by}", uri)]
        assert steps == list(trial.intermediate_values)
        assert any(key.startswith("train/") for key in run.data.metrics)
        if trial.state == TrialState.COMPLETE:
            name = f"validation/{MODELS[model]}/frechet_distance"
            values = [run.data.metrics[key] for key in (name, "objective")]
            assert values == [trial.values[0]] * 2
            pictures = lab.client(uri).list_artifacts(run.info.run_id, "images")
            assert any("samples" in picture.path for picture in pictures)
    names = {file.path for file in lab.client(uri).list_artifacts(parent.info.run_id, "study")}
    assert {f"study/{name}" for name in ("best_params.yaml", "study.json", "index.html")} <= names
    best = [value for _, value in lab.points(parent, "best/frechet_distance", uri)]
    complete = [trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE]
    assert best == sorted(best, reverse=True)
    assert best[-1] == min(complete)


# Failures


def test_failed_trials_are_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    """Every second learning rate is absurd: losses are not finite."""
    space = {"learning_rate": {"choices": [1e-3, 1e30]}}
    tune = tw.with_tune(space=space, prune_by=None)
    place = Place(tmp_path / "x", search={"sampler": "grid"}, tune=tune)
    process = place.start("vae", "--trials", "9")
    wait_for(lambda: len(settled(place.trials(STUDY))) == 2, 200)
    kill(process)
    good, bad = place.trials(STUDY)
    assert (good.state, bad.state) == (TrialState.COMPLETE, TrialState.FAIL)
    assert "the losses must be finite" in bad.user_attrs[REASON]
    (run,) = (run for run in place.runs() if run.info.run_name == "trial 1")
    assert run.info.status == "FAILED"
    assert "the losses must be finite" in run.data.tags["genlab.reason"]


def test_time_limit_is_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path / "x", search={"trial_seconds": 0.5})
    assert place.tune("vae", 3) == 1
    reasons = [trial.user_attrs.get(REASON) for trial in place.trials(STUDY)]
    assert reasons == ["took longer than 0.5 s"] * 3
    assert "Received: none (took longer than 0.5 s)" in place.said
    wait_for(lambda: not place.processes(), 20)


def test_memory_of_the_tuner_does_not_grow(tmp_path: Path) -> None:
    place = Place(tmp_path / "x", search={"pruner": "none"})
    process = place.start("vae", "--trials", "14")
    sizes = []
    for number in range(1, 14):
        wait_for(lambda: len(settled(place.trials(STUDY))) >= number, 200)  # noqa: B023
        status = Path(f"/proc/{process.pid}/status").read_text()
        sizes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    kill(process)
    print("resident MiB of the tuner after each trial:", [round(size) for size in sizes])
    assert sizes[-1] - sizes[3] < 15


def test_several_objectives_make_a_front(tmp_path: Path) -> None:
    metrics = ["frechet_distance", "mse", "negative_elbo", "kernel_distance", "train_seconds"]
    search = {"pruner": "none", "sampler": "nsga2"}
    place = Place(tmp_path / "x", search=search, tune=tw.with_tune(objective=metrics))
    assert place.tune("vae", 3) == 0, place.said
    assert [len(trial.values) for trial in place.trials(STUDY)] == [5, 5, 5]


# Kills of real trainings


def assert_same(place: Place, whole: Place) -> None:
    """Compares the trials that are over."""
    trials = [trial for trial in place.trials(STUDY) if trial.state.is_finished()]
    assert history(trials) == history(whole.trials(STUDY))[: len(trials)]


def finish(process: Any, place: Place) -> None:
    """Waits for the last trial, and spares the confirmation."""
    wait_for(lambda: len(settled(place.trials(STUDY))) == NUM_TRIALS, 300)
    kill(process)


def trainings(place: Place, tuner: int) -> list[int]:
    """Returns the processes of trials: the grandchildren, which the fork server forked."""

    def parent(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    pids = []
    for pid in place.processes():
        try:
            if parent(pid) != tuner and parent(parent(pid)) == tuner:
                pids.append(pid)
        except OSError:
            continue
    return pids


def test_kill_of_a_training_makes_the_same_study(studies: Studies, tmp_path: Path) -> None:
    place = Place(tmp_path / "x")
    process = place.start("vae", "--trials", str(NUM_TRIALS))
    for number in (0, 2):
        wait_for(lambda: len(place.trials(STUDY)) > number, 200)  # noqa: B023
        victim = wait_for(lambda: trainings(place, process.pid), 60)[0]
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
    finish(process, place)
    assert_same(place, studies("vae"))
    names = [run.info.run_name for run in place.runs()]
    assert len(names) == len(set(names))


@pytest.mark.timeout(3000)
def test_kills_of_tuners_make_the_same_study(studies: Studies, tmp_path: Path) -> None:
    """kill -9 at ten random moments at least, the same command again: equal to the bit."""
    place, whole = Place(tmp_path / "x"), studies("vae")
    rng = np.random.default_rng(SEED)
    kills = 0
    while len(settled(place.trials(STUDY))) < NUM_TRIALS or kills < 10:
        process = place.start("vae", "--trials", str(NUM_TRIALS))
        started = time.monotonic()
        if kills % 4:  # the moments before the first trial are few, and none has a checkpoint
            wait_for(lambda: trainings(place, process.pid) or process.poll() is not None, 200)  # noqa: B023
        time.sleep(rng.random() * (5 + 2 * kills))
        if process.poll() is None:
            kill(process)
        kills += 1
        wait_for(lambda: not place.processes(), 20)
        seconds, num_over = time.monotonic() - started, len(settled(place.trials(STUDY)))
        print(f"kill {kills}: {seconds:.1f} s after the start, {num_over} over", flush=True)
        assert_same(place, whole)
    assert place.tune("vae", NUM_TRIALS) == 0, place.said
    assert_same(place, whole)
    ours, theirs = (sorted(run.info.run_name for run in other.runs()) for other in (place, whole))
    assert ours == theirs
    assert full_trainings(place) == full_trainings(whole)


def full_trainings(place: Place) -> list[Any]:
    """Returns the trainings in full of both sides, but for times."""
    sides = place.facts(STUDY)["trainings"].values()
    rows = [training for side in sides for training in side]
    for training in rows:
        for name in SECONDS_OF:
            training["values"].pop(name, None)
    return rows


def test_ctrl_c_leaves_a_study_that_continues(studies: Studies, tmp_path: Path) -> None:
    place = Place(tmp_path / "x")
    process = place.start("vae", "--trials", str(NUM_TRIALS))
    wait_for(lambda: len(place.trials(STUDY)) > 1, 200)
    wait_for(lambda: trainings(place, process.pid), 60)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert "Traceback" not in place.said
    wait_for(lambda: not place.processes(), 20)
    finish(place.start("vae", "--trials", str(NUM_TRIALS)), place)
    assert_same(place, studies("vae"))


# Trials that go on

HALVING = {"method": "halving", "rungs": 3, "reduction_factor": 2, "brackets": 2}
POPULATION = {"method": "population", "intervals": 3, "replaced": 0.5}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("search", [HALVING, POPULATION], ids=lambda search: search["method"])
def test_trials_that_go_on_survive_kills_to_the_same_study(
    tmp_path: Path, search: dict[str, Any]
) -> None:
    """kill -9 of the tuner, and of a training, at random moments; the same command again."""
    places = [Place(tmp_path / name, search=search) for name in ("whole", "cut")]
    whole, place = places
    assert whole.tune("vae", NUM_TRIALS) == 0, whole.said
    rng = np.random.default_rng(SEED)
    for number in range(3):
        process = place.start("vae", "--trials", str(NUM_TRIALS))
        wait_for(lambda: trainings(place, process.pid) or process.poll() is not None, 200)  # noqa: B023
        time.sleep(rng.random() * (5 + 5 * number))
        victims = trainings(place, process.pid)
        if number % 2 and victims:
            with suppress(ProcessLookupError):  # it may have come to its end
                os.kill(victims[0], signal.SIGKILL)
            time.sleep(2 * rng.random())
        if process.poll() is None:
            kill(process)
        wait_for(lambda: not place.processes(), 20)
    assert place.tune("vae", NUM_TRIALS) == 0, place.said
    ours, theirs = (history(other.trials(STUDY)) for other in places)
    assert ours == theirs
    assert full_trainings(place) == full_trainings(whole)
    for other in places:
        assert not list(other.root.glob(".genlab/training/*/checkpoints/*"))
        finished = {run.info.status for run in other.runs()}
        assert finished == {"FINISHED"}
    rungs = [len(trial.user_attrs["genlab.rungs"]) for trial in whole.trials(STUDY)]
    assert rungs == [3] * 4 if search == POPULATION else sorted(rungs) == [1, 1, 2, 3]
