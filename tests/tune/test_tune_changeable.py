"""Which settings a population may change in the middle of a training; the models are built."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import tracking_workspace as lab
import tuning_workspace as tw

from genlab.runtime.errors import InputError
from genlab.settings import params
from genlab.tune import plan, storage

FREE = {
    "vae": {"learning_rate": {"low": 1e-4, "high": 1e-2}, "kl_weight": {"low": 0.1, "high": 2.0}},
    "autoencoder": {
        "sparsity_weight": {"low": 0.0, "high": 2.0},
        "reconstruction_loss": {"choices": ["l2", "l1"]},
    },
    "gan": {
        "generator_learning_rate": {"low": 1e-4, "high": 1e-2},
        "r1_weight": {"low": 0.0, "high": 1.0},
        "average_decay": {"low": 0.9, "high": 0.999},
    },
}


def kinds(names: Iterable[str]) -> list[Any]:
    """Returns the VAE, and the others as slow."""
    return [name if name == "vae" else pytest.param(name, marks=pytest.mark.slow) for name in names]


def make(root: Path, model: str, space: Any, **search: Any) -> plan.Plan:
    search = {"method": "population", "pruner": "none"} | search
    tw.write_params(root, search=search, tune=tw.with_tune(model, space=space))
    images, features = (tw.data() / name for name in ("images", "features"))
    return plan.make(params.load(), model, None, images, features)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(storage.ADDRESS, raising=False)
    return lab.enter(monkeypatch, tmp_path)


@pytest.mark.parametrize("model", kinds(FREE))
def test_rates_and_weights_can_change(root: Path, model: str) -> None:
    assert make(root, model, FREE[model]).pauses[-1] == 30


@pytest.mark.parametrize(
    ("name", "choices", "reason"),
    [
        ("latent_dim", [2, 8], "the networks are others"),
        pytest.param("batch_size", [16, 32], "steps or batches are others", marks=pytest.mark.slow),
        ("learning_rate_schedule", ["constant", "cosine"], None),
    ],
)
def test_what_is_a_part_of_the_model_cannot(
    root: Path, name: str, choices: list[Any], reason: str | None
) -> None:
    base = tw.values()["models"]["vae"][name]
    space = {name: {"choices": [base, *(one for one in choices if one != base)]}}
    if reason is None:
        make(root, "vae", space)
        return
    with pytest.raises(InputError) as error:
        make(root, "vae", space)
    assert error.value.received == f"{name}, with which {reason}"
    assert error.value.where.startswith(f"See params.yaml: tune.vae.space.{name}, ")


@pytest.mark.parametrize(
    ("search", "received"),
    [
        ({"sampler": "grid"}, "grid"),
        ({"storage": "sqlite:///studies.db"}, "population"),
        ({"method": "halving", "brackets": 5}, "5"),
        ({"intervals": 40}, "steps=30"),
    ],
)
def test_what_does_not_go_together_is_refused(
    root: Path, search: dict[str, Any], received: str
) -> None:
    space = {"kl_weight": {"choices": [tw.values()["models"]["vae"]["kl_weight"], 3.0]}}
    with pytest.raises(InputError) as error:
        make(root, "vae", space, **search)
    assert error.value.received == received


FRONTS = {
    "autoencoder": (["mse", "frechet_distance"], [1, 1]),
    "vae": (["negative_elbo", "frechet_distance"], [1, 1]),
    "gan": (["frechet_distance", "precision"], [1, -1]),
}


@pytest.mark.parametrize("model", kinds(FRONTS))
def test_objectives_of_docs_search_go_with_halving_and_any_pruner(root: Path, model: str) -> None:
    objective, signs = FRONTS[model]
    tune = tw.with_tune(model, objective=objective)
    tw.write_params(root, search={"method": "halving", "pruner": "median"}, tune=tune)
    images, features = (tw.data() / name for name in ("images", "features"))
    made = plan.make(params.load(), model, None, images, features)
    assert [goal.name for goal in made.objectives] == objective
    assert [goal.sign for goal in made.objectives] == signs
    source = "fitted" if model == "autoencoder" else "prior"
    addresses = [goal.terms[0].address for goal in made.objectives]
    assert f"{{split}}/{source}/frechet_distance" in addresses


def test_study_keeps_its_method(root: Path) -> None:
    """A study of samplers has the identity that it always had."""
    halving = make(root, "vae", FREE["vae"], method="halving")
    assert halving.identity["method"]["pauses"] == [1, 3, 10, 30]
    assert "method" not in make(root, "vae", FREE["vae"], method="sampler").identity
