"""The stage `repeat`: further trainings, scored like the first one."""

import json
from pathlib import Path
from typing import Any

import pytest
import tracking_workspace as lab
from fixtures_models import tiny_entry, tiny_params, write_dataset

from genlab.evaluation import results
from genlab.features import judges, pinned
from genlab.stages import evaluate, floor, repeat, train


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        root = lab.enter(patch, tmp_path_factory.mktemp("root"))
        write_dataset(root / "images", (8, 8, 1))
        pinned.copy("digits-v2", root / "features")
        yield root


def scores(root: Path, num_seeds: int) -> list[dict[str, Any]]:
    params = tiny_params({"gan": tiny_entry("gan")})
    training = params.training.model_copy(update={"num_seeds": num_seeds})
    params = params.model_copy(update={"training": training})
    paths = repeat.RepeatPaths(root / "images", root / "features", root / "repeated.json")
    repeat.run(params, "gan", paths)
    return json.loads(paths.out.read_text())["trainings"]


def test_one_training_is_not_repeated(root: Path) -> None:
    assert scores(root, 1) == []


def test_others_differ_in_the_training_alone(root: Path) -> None:
    params = tiny_params({"gan": tiny_entry("gan")})
    selection, reporting = (root / "features" / role for role in judges.ROLES)
    first = train.TrainPaths(root / "images", selection, root / "gan", root / "timings")
    train.run(params, "gan", first)
    floor.run(params, root / "images", reporting, root / "floor")
    inputs = (root / "gan", root / "images", reporting, root / "floor")
    evaluate.run(params, evaluate.EvaluationPaths(*inputs, root / "scores", root / "pictures"))
    own = json.loads((root / "scores" / "scores.json").read_text())
    others = scores(root, 3)
    assert [one["seed"] for one in others] == [params.seed + 1, params.seed + 2]
    keys = {one["train_key"] for one in (own, *others)}
    assert len(keys) == 3
    name = "test/prior/frechet_distance"
    assert {one["metrics"][name]["value"] for one in others} != {own["metrics"][name]["value"]}
    for one in others:
        for key in (*results.SAME, "seed"):
            mine, theirs = (run["metrics"][name]["protocol"][key] for run in (one, own))
            assert mine == theirs, key
