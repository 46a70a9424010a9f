"""One real trial, few steps on the digits; and a search in this process whose trials are fake."""

import json
import multiprocessing
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tracking_workspace as lab
import tuning_fake as fake
import tuning_workspace as tw
from fixtures_models import contents
from PIL import Image

from genlab import tracking, training, tune
from genlab.imaging import arrays
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings import params
from genlab.tune import plan, process, trial
from genlab.tune.trial import TrialOrder

DATA = ("images", "features")


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> plan.Plan:
    root = lab.enter(monkeypatch, tmp_path)
    tw.write_params(root)
    monkeypatch.delenv("GENLAB_SEARCH_STORAGE", raising=False)
    images, features = (tw.data() / name for name in DATA)
    return plan.make(params.load(), "vae", None, images, features)


def order(search: plan.Plan, **settings: float) -> TrialOrder:
    return search.trial_order(settings, 0, (0, 1), None)


def run(order: TrialOrder, *answers: bool) -> tuple[list[Any], tuple[Any, ...]]:
    """Runs a trial in this process; returns its messages and the last one."""
    ours, theirs = multiprocessing.Pipe()
    for answer in answers:
        ours.send(answer)
    last = trial._result(order, theirs)
    messages = []
    while ours.poll():
        messages.append(ours.recv())
    return messages, last


def test_trial_reports_and_is_measured_on_validation_images(search: plan.Plan) -> None:
    messages, (state, values) = run(order(search, kl_weight=2.0), True, True, True)
    assert messages[0][0] == "begun"
    assert [message[:2] for message in messages[1:]] == [("report", step) for step in (10, 20, 30)]
    assert state == "done"
    assert {name.partition("/")[0] for name in values if "/" in name} == {"validation"}
    (finished,) = lab.runs("genlab-tune")
    assert finished.info.run_name == "trial 0"
    assert float(finished.data.params["kl_weight"]) == 2.0
    distance = search.objectives[0].of(values)
    assert distance > 0
    assert finished.data.metrics["objective"] == pytest.approx(distance)


def test_training_in_full_keeps_pictures(search: plan.Plan, tmp_path: Path) -> None:
    full = search.order(search.full_params({}, 0), "present in full, seed 0", (0, 1), None)
    kept = tmp_path / "kept"
    messages, (state, values) = run(replace(full, splits=("test",), pictures=kept))
    assert (len(messages), state) == (1, "done")
    assert {name for name in values if name.endswith("/mse")} >= {"test/reconstruction/mse"}
    assert {path.stem for path in kept.iterdir()} == set(trial.PICTURES)
    originals = np.asarray(arrays.read_split(search.images, "test").images[:64])
    with Image.open(kept / "originals.png") as image:
        np.testing.assert_array_equal(np.asarray(image), arrays.grid(originals)[..., 0])


def test_pruned_trial_is_not_measured(search: plan.Plan) -> None:
    messages, last = run(order(search), False)
    assert last == ("pruned",)
    assert len(messages) == 2
    assert lab.runs("genlab-tune")[0].data.tags["genlab.trial_state"] == "pruned"


@pytest.mark.slow
def test_trial_promoted_twice_has_the_weights_of_one_training(search: plan.Plan) -> None:
    """Its cosine schedule is that of all 30 steps; the first part ends between two rows."""
    halving = search.params.search.model_copy(
        update={"method": "halving", "rungs": 3, "brackets": 1}
    )
    entry = search.params.models["vae"] | {"learning_rate_schedule": "cosine"}
    changes = {"search": halving, "models": {"vae": entry}}
    search = replace(search, params=search.params.model_copy(update=changes))
    assert search.pauses == [3, 10, 30]
    parts = [
        search.trial_order({"kl_weight": 2.0}, 0, (0, 1), None, training.Pause(step))
        for step in search.pauses
    ]
    whole = replace(parts[-1], pause=None, training_id="whole")
    results = {}
    for one in (*parts, whole):
        messages, (state, values) = run(one)
        assert state == "done"
        results[one.pause] = values
        ((_, key),) = messages
        folder = workspace.state("training", key) / "result"
        results[one.pause, "files"] = contents(folder)
    last = parts[-1].pause
    assert results[last, "files"].keys() == results[None, "files"].keys()
    for name in ("model.weights.h5", "history.csv", "density.npz"):
        assert results[last, "files"][name] == results[None, "files"][name]
    first, *_, address = parts[0].pause, "validation/prior/frechet_distance"
    assert results[last][address] == results[None][address] != results[first][address]
    shown, _ = lab.runs("genlab-tune")
    assert [step for step, _ in lab.points(shown, "objective")] == search.pauses
    assert shown.info.status == "FINISHED"


def test_paused_trial_waits_in_mlflow(search: plan.Plan) -> None:
    paused = replace(order(search), prune_by=None, pause=training.Pause(10))
    run(paused)
    (shown,) = lab.runs("genlab-tune")
    assert shown.info.status == "SCHEDULED"
    assert shown.data.tags["genlab.trial_state"] == "paused"
    tracking.end_training(paused.training_id, "FINISHED", tags={"genlab.trial_state": "pruned"})
    (shown,) = lab.runs("genlab-tune")
    assert (shown.info.status, shown.data.tags["genlab.trial_state"]) == ("FINISHED", "pruned")


def test_failed_trial_says_why(search: plan.Plan) -> None:
    _, (state, values, reason) = run(order(search, learning_rate=1e30), True, True, True)
    assert (state, values) == ("failed", None)
    assert "the losses must be finite" in reason
    assert "\n" not in reason


def test_process_is_forked_and_its_output_is_in_the_log(search: plan.Plan, tmp_path: Path) -> None:
    """The real process, which imports everything first; its data set is missing."""
    wanted = replace(order(search), images=tmp_path / "none")
    outcome = process.run(wanted, lambda step, value: True, 100, threading.Event())
    assert outcome.state == "failed"
    assert "dvc repro" in outcome.reason
    assert wanted.log.is_file()


def test_search_of_fake_trials(
    search: plan.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process.trial, "run", fake.run_all_but_one)
    monkeypatch.setattr(process, "_context", fake.server)
    text = tune.run(search, 8, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "study.json").read_text())
    failed = [trial["number"] for trial in facts["trials"] if trial["state"] == "fail"]
    assert failed == [2]
    assert facts["trials"][2]["reason"] == "ended with the exit status 3"
    values = {
        f"trial {trial['number']}": trial["objectives"][0]
        for trial in facts["trials"]
        if trial["state"] == "complete"
    }
    best = min(values, key=values.__getitem__)
    assert facts["winner"]["name"] == best != "trial 0"
    assert text.startswith(f"vae-digits: the winner is {best}: ")
    assert "vae-digits" in {run.info.run_name for run in lab.runs("genlab-tune")}
    assert (tmp_path / "out" / "index.html").is_file()
    assert tune.read_best(tmp_path / "out", "vae") == ("digits", facts["winner"]["settings"])


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_search_by_halving(
    search: plan.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    changes = {"method": "halving", "rungs": 3, "brackets": 2, "workers": workers}
    tw.write_params(tmp_path, search=changes)
    monkeypatch.setattr(process.trial, "run", fake.run)
    monkeypatch.setattr(process, "_context", fake.server)
    made = plan.make(params.load(), "vae", None, search.images, search.features)
    text = tune.run(made, 14, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "study.json").read_text())
    steps = [[rung["step"] for rung in trial["rungs"]] for trial in facts["trials"]]
    assert sorted(map(len, steps)) == [1] * 6 + [2] * 6 + [3] * 2
    assert facts["identity"]["method"]["pauses"] == [3, 10, 30]
    ended = [trial for trial in facts["trials"] if trial["state"] == "complete"]
    assert {trial["number"] // 9 for trial in ended} == {0, 1}
    assert text.startswith("vae-digits: the winner is trial ")


@pytest.mark.slow
def test_schedule_of_a_population_trains_the_winner_anew_to_the_bit(search: plan.Plan) -> None:
    """Trial 1 is copied from trial 0 at step 10, with another rate and weight."""
    changes = {"method": "population", "intervals": 3}
    tw.write_params(Path.cwd(), search=changes, models=_of_equal_steps())
    made = plan.make(params.load(), "vae", None, search.images, search.features)
    settings = [
        {"learning_rate": 5e-3, "kl_weight": 2.0},
        {"learning_rate": 1e-3, "kl_weight": 4.0},
    ]
    keys = []
    for number, of, step, start in ((0, 0, 10, 0), (1, 1, 10, 0), (1, 1, 30, 10)):
        if start:
            training.copy_paused(*keys)
        pause = training.Pause(step, start)
        messages, (state, _) = run(made.trial_order(settings[of], number, (0, 1), None, pause))
        assert state == "done"
        keys.append(messages[0][1])
    assert keys[1] == keys[2]  # one training, whatever its settings
    schedule = [{"step": 0, "settings": settings[0]}, {"step": 10, "settings": settings[1]}]
    stages, own_by = made.stages(schedule, 0)
    anew = made.order(made.full_params(settings[1], 0), "trial 1 in full", (0, 1), None)
    messages, (state, _) = run(replace(anew, stages=stages, own_by=own_by))
    assert state == "done"
    ours, theirs = (
        contents(workspace.state("training", key) / "result")["model.weights.h5"]
        for key in (keys[-1], messages[0][1])
    )
    assert ours == theirs


def _of_equal_steps() -> dict[str, Any]:
    """Returns models that are trained in full for as many steps as a trial."""
    models = tw.values()["models"]
    return models | {"vae": models["vae"] | {"steps": 30}}


def test_search_by_a_population(
    search: plan.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tw.write_params(tmp_path, search={"method": "population", "intervals": 3, "workers": 2})
    monkeypatch.setattr(process.trial, "run", fake.run)
    monkeypatch.setattr(process, "_context", fake.server)
    monkeypatch.setattr(training, "copy_paused", lambda *keys: None)
    made = plan.make(params.load(), "vae", None, search.images, search.features)
    tune.run(made, 5, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "study.json").read_text())
    assert [len(trial["rungs"]) for trial in facts["trials"]] == [3] * 5
    stages = facts["winner"]["schedule"]
    assert [stage["step"] for stage in stages] in ([], [0, 10], [0, 20], [0, 10, 20])
    assert not stages or stages[-1]["settings"] == facts["winner"]["settings"]
    if stages:
        with pytest.raises(InputError) as error:
            tune.read_best(tmp_path / "out", "vae")
        assert error.value.received == f"a schedule of {len(stages)}"
