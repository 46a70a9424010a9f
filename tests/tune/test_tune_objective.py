"""What a trial is judged by: metrics that the model can give, one, summed or several."""

from typing import Any

import pytest
from fixtures_models import ROOT, tiny_model

from genlab.runtime.errors import InputError
from genlab.settings.params import read_yaml
from genlab.tune import objective
from genlab.tune.objective import Objective, Unmeasured

METRICS = read_yaml(ROOT / "params.yaml")["evaluation"]["metrics"]
SCORES = {
    "validation/prior/frechet_distance": 30.0,
    "validation/reconstruction/mse": 0.25,
    "validation/reconstruction/psnr": 20.0,
    "validation/reconstruction/negative_elbo": 90.0,
    "test/prior/frechet_distance": 31.0,
    "train_seconds": 12.0,
}


def read(wanted: Any, kind: str = "vae") -> list[Objective]:
    model = tiny_model(kind, network="dense", widths=[8, 4])
    return objective.read(wanted, model, kind, METRICS, "here")


@pytest.mark.parametrize(
    ("wanted", "name", "direction", "value"),
    [
        ("frechet_distance", "frechet_distance", "minimize", 30.0),
        ("psnr", "psnr", "maximize", 20.0),
        (
            {"frechet_distance": 1, "mse": 100, "psnr": 0.5},
            "1 frechet_distance + 100 mse + 0.5 psnr",
            "minimize",
            30 + 25 - 10,
        ),
        ("train_seconds", "train_seconds", "minimize", 12.0),
    ],
)
def test_value_of_an_objective(wanted: Any, name: str, direction: str, value: float) -> None:
    (goal,) = read(wanted)
    assert (goal.name, goal.direction, goal.of(SCORES)) == (name, direction, value)


def test_splits_are_apart_and_time_has_none() -> None:
    distance, seconds = read(["frechet_distance", "train_seconds"])
    assert [distance.of(SCORES, split) for split in distance.splits] == [30.0, 31.0]
    assert len(seconds.splits) == 1
    assert objective.metrics([distance, seconds]) == ["frechet_distance", "train_seconds"]


@pytest.mark.parametrize("name", ["density", "kl", "nearest_train_rank"])
def test_what_has_no_better_direction_is_no_objective(name: str) -> None:
    with pytest.raises(InputError, match="better"):
        read(name)


@pytest.mark.parametrize(
    ("kind", "metric", "source"),
    [
        ("vae", "frechet_distance", "prior"),
        ("gan", "frechet_distance", "prior"),
        ("autoencoder", "frechet_distance", "fitted"),
        ("vae", "mse", "reconstruction"),
        ("gan", "mse", "inversion"),
        ("vae", "negative_elbo", "reconstruction"),
        ("vae", "kernel_distance", "prior"),
    ],
)
def test_metric_is_measured_where_the_model_gives_it(kind: str, metric: str, source: str) -> None:
    (goal,) = read(metric, kind)
    assert goal.terms[0].address == f"{{split}}/{source}/{metric}"


@pytest.mark.parametrize(
    ("kind", "wanted", "expected", "received"),
    [
        ("vae", "frechet_distanz", "(nearest: 'frechet_distance')", "'frechet_distanz'"),
        ("gan", "negative_elbo", "a model of kind gan gives", "'negative_elbo'"),
        ("vae", "few_labels_accuracy", "a model of kind vae gives", "'few_labels_accuracy'"),
        ("vae", [], "at least one metric", "none"),
        ("vae", ["mse", {}], "at least one metric", "none"),
        ("vae", {"mse": -1.0}, "the weight of mse must be above 0", "-1"),
        ("vae", {"mse": 0}, "the weight of mse must be above 0", "0"),
        ("vae", {"mse": float("nan")}, "the weight of mse must be above 0", "nan"),
        ("vae", {"mse": float("inf")}, "the weight of mse must be above 0", "inf"),
        ("vae", ["mse", "mse"], "different objectives", "mse, mse"),
    ],
)
def test_wrong_objective_is_refused(kind: str, wanted: Any, expected: str, received: str) -> None:
    with pytest.raises(InputError) as error:
        read(wanted, kind)
    assert expected in error.value.expected
    assert received == error.value.received
    assert "See here" in error.value.where


@pytest.mark.parametrize(
    ("wanted", "is_refused"),
    [
        ("mse", True),
        ("structural_similarity", True),
        ({"mse": 1, "psnr": 1}, True),
        (["mse", "train_seconds"], True),
        ("reconstruction_loss", True),
        ("frechet_distance", False),
        ("negative_elbo", False),
        ({"mse": 1, "frechet_distance": 1}, False),
        ("train_seconds", False),
    ],
)
def test_reconstruction_alone_may_not_choose_weights(wanted: Any, is_refused: bool) -> None:
    goals = read(wanted)
    objective.check_honest(goals, ["learning_rate"], "here")
    if not is_refused:
        objective.check_honest(goals, ["learning_rate", "kl_weight"], "here")
        return
    with pytest.raises(InputError, match="while kl_weight is searched"):
        objective.check_honest(goals, ["learning_rate", "kl_weight"], "here")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None])
def test_value_must_be_there_and_finite(value: float | None) -> None:
    name = "validation/prior/frechet_distance"
    scores = SCORES | {name: value} if value is not None else {}
    with pytest.raises(Unmeasured, match=r"frechet_distance .* on the validation images"):
        read({"mse": 1, "frechet_distance": 1})[0].of({"validation/reconstruction/mse": 1} | scores)
