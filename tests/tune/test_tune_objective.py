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
    return objective.read(
        wanted, tiny_model(kind, network="dense", widths=[8, 4]), kind, METRICS, "here"
    )


def one(wanted: Any, kind: str = "vae") -> Objective:
    (found,) = read(wanted, kind)
    return found


def test_one_metric_is_its_value() -> None:
    found = one("frechet_distance")
    assert (found.name, found.direction, found.of(SCORES), found.of(SCORES, "test")) == (
        "frechet_distance",
        "minimize",
        30.0,
        31.0,
    )


def test_what_is_to_be_high_is_maximised() -> None:
    found = one("psnr")
    assert (found.direction, found.of(SCORES)) == ("maximize", 20.0)


def test_sum_is_to_be_low_and_counts_what_is_to_be_high_against() -> None:
    found = one({"frechet_distance": 1, "mse": 100, "psnr": 0.5})
    assert found.direction == "minimize"
    assert found.of(SCORES) == 30 + 25 - 10
    assert found.name == "1 frechet_distance + 100 mse + 0.5 psnr"


def test_time_is_an_objective() -> None:
    found = read(["frechet_distance", "mse", "train_seconds"])
    assert [each.of(SCORES) for each in found] == [30.0, 0.25, 12.0]
    assert [each.direction for each in found] == ["minimize"] * 3
    assert objective.metrics(found) == ["frechet_distance", "mse", "train_seconds"]


@pytest.mark.parametrize(
    ("kind", "metric", "address"),
    [
        ("vae", "frechet_distance", "{split}/prior/frechet_distance"),
        ("gan", "frechet_distance", "{split}/prior/frechet_distance"),
        ("autoencoder", "frechet_distance", "{split}/fitted/frechet_distance"),
        ("vae", "mse", "{split}/reconstruction/mse"),
        ("gan", "mse", "{split}/reconstruction_subset/mse"),
        ("vae", "negative_elbo", "{split}/reconstruction/negative_elbo"),
        ("vae", "kernel_distance", "{split}/prior/kernel_distance"),
    ],
)
def test_metric_is_measured_where_the_model_gives_it(kind: str, metric: str, address: str) -> None:
    assert one(metric, kind).terms[0].address == address


@pytest.mark.parametrize(
    ("kind", "wanted", "message"),
    [
        ("vae", "frechet_distanz", "nearest: 'frechet_distance'"),
        ("gan", "negative_elbo", "a model of kind gan gives"),
        ("autoencoder", "negative_elbo", "a model of kind autoencoder gives"),
        ("vae", "few_labels_accuracy", "must name metrics"),
        ("vae", [], "must name at least one metric"),
        ("vae", {}, "must name at least one metric"),
        ("vae", ["mse", {}], "must name at least one metric"),
        ("vae", {"mse": -1.0}, "the weight of mse must be above 0, and finite. Received: -1."),
        (
            "vae",
            {"mse": float("nan")},
            "the weight of mse must be above 0, and finite. Received: nan.",
        ),
        ("vae", {"mse": float("inf")}, "the weight of mse must be"),
        ("vae", ["mse", "mse"], "must name different objectives. Received: mse, mse."),
    ],
)
def test_what_is_no_objective_is_refused(kind: str, wanted: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(wanted, kind)
    assert message in str(caught.value)
    assert "See here." in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wanted",
    [
        "mse",
        "structural_similarity",
        {"mse": 1, "psnr": 1},
        ["mse", "train_seconds"],
        "reconstruction_loss",
    ],
)
def test_reconstruction_alone_may_not_choose_weights(wanted: Any) -> None:
    with pytest.raises(
        InputError, match="must not be a reconstruction error alone while kl_weight is searched"
    ):
        objective.check_honest(read(wanted), ["learning_rate", "kl_weight"], "here")
    objective.check_honest(read(wanted), ["learning_rate"], "here")


@pytest.mark.parametrize(
    "wanted",
    ["frechet_distance", "negative_elbo", {"mse": 1, "frechet_distance": 1}, "train_seconds"],
)
def test_what_sees_more_than_reconstructions_may_choose_weights(wanted: Any) -> None:
    objective.check_honest(read(wanted), ["kl_weight"], "here")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_value_must_be_finite(value: float) -> None:
    with pytest.raises(
        Unmeasured, match=r"frechet_distance is -?(nan|inf) on the validation images"
    ):
        one("frechet_distance").of({"validation/prior/frechet_distance": value})


def test_value_must_be_there() -> None:
    with pytest.raises(Unmeasured, match="mse has no value on the test images"):
        one({"frechet_distance": 1, "mse": 1}).of(SCORES, "test")
