"""What is searched: ranges and choices, checked against the model; a wrong one is refused."""

from pathlib import Path
from typing import Any

import pytest
import tuning_workspace as tw
from click.testing import CliRunner
from fixtures_models import tiny_settings
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from tuning_workspace import Place

from genlab.cli import main
from genlab.runtime.errors import InputError
from genlab.tune import space

VAE = tiny_settings("vae", network="dense", widths=[8, 4])
"""kl_weight 1.0, learning_rate 0.001, latent_dim 3, batch_size 4, activation relu"""


def read(**entries: Any) -> space.Space:
    return space.read(entries, VAE, "here")


# Ranges and choices


def test_ranges_are_whole_where_setting_and_ends_are() -> None:
    distributions = read(
        learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
        batch_size={"low": 2, "high": 8, "step": 2},
        free_bits={"low": 0, "high": 1},
    ).distributions
    assert distributions == {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "batch_size": IntDistribution(2, 8, step=2),
        "free_bits": FloatDistribution(0, 1),  # the present value is no whole number
    }


def test_choices_may_be_lists_and_none() -> None:
    choices = read(
        widths={"choices": [[8, 4], [16]]},
        gradient_clip_norm={"choices": [None, 1.0]},
        batch_size={"choices": [4, 8]},
    )
    assert choices.distributions["widths"] == CategoricalDistribution(("[8, 4]", "[16]"))
    assert choices.present == {"widths": "[8, 4]", "gradient_clip_norm": None, "batch_size": 4}
    settings = choices.settings({"widths": "[16]", "gradient_clip_norm": None, "batch_size": 8})
    assert settings == {"widths": [16], "gradient_clip_norm": None, "batch_size": 8}


@pytest.mark.parametrize(
    ("entry", "value", "expected"),
    [
        ({"low": 0.1, "high": 10}, 3.14159265, 3.142),
        ({"low": 1e-6, "high": 1}, 1.23456e-05, 1.235e-05),
        ({"low": 1.23456e-4, "high": 1.0}, 1.23456e-4, 1.235e-4),
        ({"low": 1.23444e-4, "high": 1.0}, 1.23444e-4, 1.23444e-4),  # 1.234e-4 lies outside
        ({"low": 1e-4, "high": 1.23456}, 1.23456, 1.23456),  # and so does 1.235
    ],
)
def test_numbers_have_four_digits_and_stay_in_their_range(
    entry: dict[str, float], value: float, expected: float
) -> None:
    name = "learning_rate" if entry["low"] < 0.1 else "kl_weight"
    assert read(**{name: entry}).settings({name: value}) == {name: expected}


def test_grid_has_all_points() -> None:
    """0.1 + 3 * 0.3 is 1.0, which floats do not know."""
    points = read(
        batch_size={"low": 2, "high": 6, "step": 2},
        kl_weight={"low": 0.1, "high": 1.0, "step": 0.3},
        activation={"choices": ["relu", "tanh"]},
    ).grid()
    expected = [
        {"batch_size": size, "kl_weight": pytest.approx(weight), "activation": name}
        for size in (2, 4, 6)
        for weight in (0.1, 0.4, 0.7, 1.0)
        for name in ("relu", "tanh")
    ]
    assert points == expected


@pytest.mark.parametrize("log", [False, True])
def test_grid_needs_steps(log: bool) -> None:
    with pytest.raises(InputError) as error:
        read(kl_weight={"low": 0.1, "high": 2.0, "log": log}).grid()
    assert (error.value.received, error.value.where) == (
        "neither for 'kl_weight'",
        "See here.kl_weight",
    )


def test_equal_spaces_are_described_equally() -> None:
    first, second, third = (
        read(kl_weight={"low": 0.1, "high": high}).describe() for high in (10, 10.0, 11)
    )
    assert first == second != third


LOG = {"low": 0.1, "high": 2, "log": True}
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("kl_wight", {}, "'kl_wight' (no such setting (nearest: 'kl_weight'))", ".kl_wight"),
    ("steps", {}, "'steps' (see tune.<model>.steps)", ".steps"),
    ("kind", {}, "'kind' (the search is for one kind)", ".kind"),
    ("kl_weight", {"low": 3, "high": 2}, "low=3, high=2", ".kl_weight"),
    ("kl_weight", LOG | {"low": 0}, "low=0", ".kl_weight.low"),
    ("kl_weight", LOG | {"low": -1}, "low=-1", ".kl_weight.low"),
    ("kl_weight", LOG | {"log": 1}, "1", ".kl_weight.log"),
    ("kl_weight", {"low": 0.1, "high": 2, "step": 0}, "step=0", ".kl_weight.step"),
    ("kl_weight", {"low": 0.1, "high": 2, "step": "a"}, "step='a'", ".kl_weight.step"),
    ("kl_weight", LOG | {"step": 0.1}, "step=0.1 and log: true", ".kl_weight.step"),
    ("kl_weight", {"low": 0.1, "hihg": 2}, "'hihg' (nearest: 'high')", ".kl_weight.hihg"),
    ("kl_weight", {"low": 0.1}, "none", ".kl_weight.high"),
    ("kl_weight", {"low": "a", "high": 2}, "'a'", ".kl_weight.low"),
    ("kl_weight", {"low": True, "high": 2}, "True", ".kl_weight.low"),
    ("kl_weight", {"low": 0.1, "high": float("inf")}, "inf", ".kl_weight.high"),
    ("kl_weight", {"low": 0.1, "high": float("nan")}, "nan", ".kl_weight.high"),
    ("kl_weight", {"choices": [1.0], "low": 3}, "'low'", ".kl_weight.low"),
    ("activation", {"choices": []}, "[]", ".activation"),
    ("activation", {"choices": "relu"}, "'relu'", ".activation"),
    ("activation", {"choices": ["relu", "swish"]}, "activation='swish'", ".activation"),
    ("kl_weight", {"low": -1.0, "high": 2.0}, "kl_weight=-1.0", ".kl_weight"),
    ("kl_weight", {"low": 2, "high": 3}, "kl_weight=1.0 outside of", ".kl_weight"),
    ("activation", {"choices": ["tanh"]}, "activation=relu outside of", ".activation"),
    ("activation", {"low": 1, "high": 2}, "", ".activation"),
    ("batch_size", {"low": 2, "high": 8, "step": 3}, "batch_size=4 outside of", ".batch_size"),
    ("free_bits", {"low": -0.0, "high": 1, "step": 0.4}, "low=-0.0, high=1, step=0.4", ""),
    ("batch_size", {"low": 2, "high": 7, "step": 2}, "low=2, high=7, step=2", ".batch_size"),
    ("batch_size", {"low": 2.5, "high": 8}, "", ".batch_size"),
]


@pytest.mark.parametrize(("key", "entry", "received", "where"), REFUSED)
def test_wrong_space_is_refused(key: str, entry: Any, received: str, where: str) -> None:
    with pytest.raises(InputError) as error:
        read(**{key: entry})
    assert received in error.value.received
    assert f"See here{where}" in error.value.where
    assert "\n" not in str(error.value)


# At the command


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Returns an empty root, in which this process is."""
    made = Place(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("GENLAB_SEARCH_STORAGE", "MLFLOW_RUN_ID", "GENLAB_PARENT_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return made


def refusal(place: Place, *options: str) -> str:
    """Returns the one line of `genlab tune` before it ends with 1, leaving nothing behind."""
    data = ["--images", str(tw.data() / "images"), "--features", str(tw.data() / "features")]
    done = CliRunner().invoke(main, ["tune", *data, *options])
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.strip().splitlines()
    assert "secret" not in line
    assert sorted(path.name for path in place.root.iterdir()) == ["mlflow.db", "params.yaml"]
    assert place.runs() == []
    return line


def tune(model: str = "vae", **changes: Any) -> dict[str, Any]:
    """Returns the section `tune` with other values for one model."""
    return {"tune": tw.with_tune(model, **changes)}


STORAGE = "postgresql://me:secret@127.0.0.1:1/none"
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("vae", tune(space={"kl_wight": {}}), "'kl_wight'", "tune.vae.space.kl_wight"),
    ("vae", tune(space={}), "", "tune.vae.space"),
    ("vae", tune(objective="frechet_distanz"), "'frechet_distanz'", "tune.vae.objective"),
    ("vae", tune(objective=["mse", "frechet_distance"]), "median", "search.pruner"),
    (
        "vae",
        tune(objective="mse", space={"kl_weight": {"low": 0.1, "high": 10.0}}),
        "mse",
        "tune.vae.objective",
    ),
    ("gan", tune("gan", objective="negative_elbo"), "'negative_elbo'", "tune.gan.objective"),
    ("gan", tune("gan", prune_by="negative_elbo"), "'negative_elbo'", "tune.gan.prune_by"),
    ("vae", {"search": {"sampler": "grid"}}, "", "tune.vae.space.kl_weight"),
    ("vae", {"search": {"sampler": "tpee"}}, "tpee", "search.sampler"),
    ("vae", {"tune": {"gan": tw.values()["tune"]["gan"]}}, "none", "params.yaml: tune"),
    ("vae", {"tune": tw.with_tune("vea", steps=3)}, "'vea'", "tune.vea"),
    ("vaee", {}, "vaee", ""),
    ("vae", {"data": tw.values()["data"] | {"name": "mnist"}}, "digits", "Run: dvc repro"),
    ("vae", {"search": {"storage": STORAGE}}, "127.0.0.1:1", "search.storage"),
    ("vae", {"search": {"storage": "no address"}}, "no address", "search.storage"),
    ("vae", {"search": {"storage": "nonesuch://there/none"}}, "nonesuch", "search.storage"),
]


@pytest.mark.parametrize(("model", "changes", "received", "where"), BAD)
def test_bad_parameters_are_refused_in_one_line(
    place: Place, model: str, changes: Any, received: str, where: str
) -> None:
    place.write(**changes)
    line = refusal(place, model, "--trials", "2")
    assert received in line.partition("Received: ")[2]
    assert where in line.partition("Received: ")[2]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--trials", "2", "--study", "../outside"], "a study's name must consist of"),
        (["--trials", "2", "--study", ".hidden"], "a study's name must consist of"),
        (["--trials", "2", "--study", "with space"], "a study's name must consist of"),
        ([], "--trials must be given"),
        (["--apply"], "Received: none. Run: genlab tune vae"),
    ],
)
def test_bad_options_are_refused_in_one_line(place: Place, options: list[str], part: str) -> None:
    assert part in refusal(place, "vae", *options)


def test_storage_address_may_come_from_the_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_SEARCH_STORAGE", STORAGE)
    line = refusal(place, "vae", "--trials", "2")
    assert "127.0.0.1:1" in line
    assert "GENLAB_SEARCH_STORAGE" in line
