"""What is searched: ranges and choices, checked against the model; what cannot be is refused in one line."""

import re
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
    found = read(
        learning_rate={"low": 1e-4, "high": 1e-2, "log": True},
        batch_size={"low": 2, "high": 8, "step": 2},
        free_bits={"low": 0, "high": 1},
    ).distributions
    assert found["learning_rate"] == FloatDistribution(1e-4, 1e-2, log=True)
    assert found["batch_size"] == IntDistribution(2, 8, step=2)
    assert found["free_bits"] == FloatDistribution(0, 1)  # the setting is no whole number


def test_present_settings_are_the_first_point() -> None:
    found = read(kl_weight={"low": 0.1, "high": 10}, activation={"choices": ["tanh", "relu"]})
    assert found.present == {"kl_weight": 1.0, "activation": "relu"}


def test_choices_may_be_lists_and_none() -> None:
    found = read(
        widths={"choices": [[8, 4], [16]]},
        gradient_clip_norm={"choices": [None, 1.0]},
        batch_size={"choices": [4, 8]},
    )
    assert found.distributions["widths"] == CategoricalDistribution(("[8, 4]", "[16]"))
    assert found.present == {"widths": "[8, 4]", "gradient_clip_norm": None, "batch_size": 4}
    settings = found.settings({"widths": "[16]", "gradient_clip_norm": None, "batch_size": 8})
    assert settings == {"widths": [16], "gradient_clip_norm": None, "batch_size": 8}


def test_numbers_have_four_digits() -> None:
    settings = read(kl_weight={"low": 0.1, "high": 10}).settings({"kl_weight": 3.14159265})
    assert settings == {"kl_weight": 3.142}
    assert (
        read(learning_rate={"low": 1e-6, "high": 1}).settings({"learning_rate": 1.23456e-05})[
            "learning_rate"
        ]
        == 1.235e-05
    )


def test_rounded_numbers_stay_in_their_range() -> None:
    found = read(learning_rate={"low": 1.23456e-4, "high": 0.0123456, "log": True})
    for end in (1.23456e-4, 0.0123456):
        assert 1.23456e-4 <= found.settings({"learning_rate": end})["learning_rate"] <= 0.0123456


def test_grid_has_all_points() -> None:
    points = read(
        batch_size={"low": 2, "high": 6, "step": 2},
        kl_weight={"low": 0.5, "high": 1.0, "step": 0.25},
        activation={"choices": ["relu", "tanh"]},
    ).grid()
    expected = [
        {"batch_size": size, "kl_weight": weight, "activation": name}
        for size in (2, 4, 6)
        for weight in (0.5, 0.75, 1.0)
        for name in ("relu", "tanh")
    ]
    assert points == expected


def test_grid_ends_where_its_steps_do() -> None:
    """0.1 + 3 * 0.3 is 1.0, which floats do not know."""
    points = read(kl_weight={"low": 0.1, "high": 1.0, "step": 0.3}).grid()
    assert [point["kl_weight"] for point in points] == [
        pytest.approx(value) for value in (0.1, 0.4, 0.7, 1.0)
    ]


def test_equal_spaces_are_described_equally() -> None:
    first, second = ({"kl_weight": {"low": 0.1, "high": high}} for high in (10, 10.0))
    assert read(**first).describe() == read(**second).describe()
    assert read(kl_weight={"low": 0.1, "high": 11}).describe() != read(**first).describe()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kl_wight": {"low": 1, "high": 2}}, "'kl_wight' (no such setting (nearest: 'kl_weight'))"),
    ({"steps": {"low": 1, "high": 2}}, "'steps' (see tune.<model>.steps)"),
    ({"kind": {"choices": ["vae", "gan"]}}, "'kind' (it is what is searched)"),
    ({"kl_weight": {"low": 3, "high": 2}}, "low must be at most high. Received: low=3, high=2."),
    (
        {"kl_weight": {"low": 0, "high": 2, "log": True}},
        "low must be above 0 with log: true. Received: low=0.",
    ),
    (
        {"kl_weight": {"low": -1, "high": 2, "log": True}},
        "low must be above 0 with log: true. Received: low=-1.",
    ),
    ({"kl_weight": {"low": 0.1, "high": 2, "log": 1}}, "log must be true or false. Received: 1."),
    (
        {"kl_weight": {"low": 0.1, "high": 2, "step": 0}},
        "step must be above 0, without log. Received: step=0.",
    ),
    (
        {"kl_weight": {"low": 0.1, "high": 2, "step": 0.1, "log": True}},
        "step must be above 0, without log. Received: step=0.1 and log: true.",
    ),
    (
        {"kl_weight": {"low": 0.1, "hihg": 2}},
        "Received: 'hihg' (nearest: 'high'). See here.kl_weight.hihg.",
    ),
    (
        {"kl_weight": {"low": 0.1}},
        "high must be a number. Received: none. See here.kl_weight.high.",
    ),
    ({"kl_weight": {"low": "a", "high": 2}}, "low must be a number. Received: 'a'."),
    ({"kl_weight": {"low": True, "high": 2}}, "low must be a number. Received: True."),
    ({"kl_weight": {"low": 0.1, "high": float("inf")}}, "high must be a number. Received: inf."),
    ({"kl_weight": {"low": 0.1, "high": float("nan")}}, "high must be a number. Received: nan."),
    ({"kl_weight": {"choices": [1.0], "low": 3}}, "Received: 'low'. See here.kl_weight.low."),
    (
        {"activation": {"choices": []}},
        "choices must be a list of at least one value. Received: [].",
    ),
    (
        {"activation": {"choices": "relu"}},
        "choices must be a list of at least one value. Received: 'relu'.",
    ),
    (
        {"activation": {"choices": ["relu", "swish"]}},
        "Received: activation='swish'. See here.activation",
    ),
    ({"kl_weight": {"low": -1.0, "high": 2.0}}, "Received: kl_weight=-1.0. See here.kl_weight"),
    (
        {"kl_weight": {"low": 2.0, "high": 3.0}},
        "Received: kl_weight=1.0 outside of {'low': 2.0, 'high': 3.0}.",
    ),
    (
        {"activation": {"choices": ["tanh"]}},
        "Received: activation=relu outside of {'choices': ['tanh']}.",
    ),
    ({"activation": {"low": 1, "high": 2}}, "See here.activation"),
    ({"batch_size": {"low": 2, "high": 8, "step": 3}}, "Received: batch_size=4 outside of"),
    (
        {"free_bits": {"low": -0.0, "high": 1.0, "step": 0.4}},
        "high must be low and some steps. Received: low=-0.0",
    ),
    (
        {"batch_size": {"low": 2, "high": 7, "step": 2}},
        "high must be low and some steps. Received: low=2, high=7",
    ),
    ({"batch_size": {"low": 2.5, "high": 8}}, "See here.batch_size"),
]


@pytest.mark.parametrize(
    ("entries", "message"), REFUSED, ids=[f"{number}" for number in range(len(REFUSED))]
)
def test_what_is_no_space_is_refused(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(**entries)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_grid_needs_steps() -> None:
    for entry in ({"low": 0.1, "high": 2.0}, {"low": 0.1, "high": 2.0, "log": True}):
        with pytest.raises(
            InputError, match=r"Received: neither for 'kl_weight'. See here.kl_weight."
        ):
            read(kl_weight=entry).grid()


# At the command


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Returns a root where nothing was searched yet; this process is in it."""
    found = Place(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("GENLAB_SEARCH_STORAGE", "MLFLOW_RUN_ID", "GENLAB_PARENT_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return found


def refusal(*options: str) -> str:
    """Returns what `genlab tune` says before it ends with 1, without its `error: `."""
    data = ["--images", str(tw.data() / "images"), "--features", str(tw.data() / "features")]
    done = CliRunner().invoke(main, ["tune", "--trials", "2", *data, *options])
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def tune(model: str = "vae", **changes: Any) -> dict[str, Any]:
    """Returns the section `tune` with other values for one model."""
    section = tw.values()["tune"]
    return section | {model: section[model] | changes}


def assert_untouched(place: Place) -> None:
    """Sees to it that a refusal leaves nothing behind: no study, no run, no report."""
    assert sorted(path.name for path in place.root.iterdir()) == ["mlflow.db", "params.yaml"]
    assert place.runs() == []


WEIGHTS = {"kl_weight": {"low": 0.1, "high": 10.0}}
ANOTHER = "tune.vae.objective"
BAD: list[tuple[str, dict[str, Any], str]] = [
    (
        "vae",
        {"tune": tune(space={"kl_wight": {"low": 1, "high": 2}})},
        r"nearest: 'kl_weight'.*tune.vae.space.kl_wight",
    ),
    (
        "vae",
        {"tune": tune(space={"kl_weight": {"low": 3, "high": 2}})},
        r"low must be at most high.*tune.vae.space",
    ),
    (
        "vae",
        {"tune": tune(space={"kl_weight": {"low": 0, "high": 2, "log": True}})},
        r"above 0 with log.*tune.vae.space",
    ),
    (
        "vae",
        {"tune": tune(space={"kl_weight": {"low": 0.1, "hihg": 2}})},
        r"nearest: 'high'.*tune.vae.space.kl_weight",
    ),
    (
        "vae",
        {"tune": tune(space={"kl_weight": {"low": 2.0, "high": 3.0}})},
        r"trial 0. Received: kl_weight=1.0 outside",
    ),
    ("vae", {"tune": tune(space={})}, r"space.*See params.yaml: tune.vae.space"),
    (
        "vae",
        {"tune": tune(objective="frechet_distanz")},
        r"nearest: 'frechet_distance'.*tune.vae.objective",
    ),
    (
        "vae",
        {"tune": tune(objective="few_labels_accuracy")},
        r"'few_labels_accuracy'.*tune.vae.objective",
    ),
    (
        "vae",
        {"tune": tune(objective={"frechet_distance": 0})},
        r"above 0, and finite. Received: 0.*tune.vae.objective",
    ),
    ("vae", {"tune": tune(objective=[])}, r"at least one metric.*tune.vae.objective"),
    ("vae", {"tune": tune(objective={})}, r"at least one metric.*tune.vae.objective"),
    (
        "vae",
        {"tune": tune(objective=["mse", "frechet_distance"])},
        r"pruner must be none.*median.*search.pruner",
    ),
    (
        "vae",
        {"tune": tune(objective="mse", space=WEIGHTS)},
        r"reconstruction error alone while kl_weight.*mse",
    ),
    (
        "gan",
        {"tune": tune("gan", objective="negative_elbo")},
        r"a model of kind gan gives.*'negative_elbo'.*tune.gan",
    ),
    ("gan", {"tune": tune("gan", objective="psnr", prune_by="negative_elbo")}, r"tune.gan"),
    (
        "autoencoder",
        {"tune": tune("autoencoder", prune_by="negative_elbo")},
        r"negative_elbo.*tune.autoencoder.prune_by",
    ),
    (
        "vae",
        {"search": {"sampler": "grid"}},
        r"a grid must have choices or a step.*tune.vae.space.kl_weight",
    ),
    ("vae", {"search": {"sampler": "tpee"}}, r"sampler must be .*tpee.*search.sampler"),
    ("vae", {"search": {"pruner": "hyperbend"}}, r"pruner must be .*hyperbend.*search.pruner"),
    ("vae", {"search": {"workers": 0}}, r"workers must be at least 1.*search.workers"),
    (
        "vae",
        {"tune": {"gan": tw.values()["tune"]["gan"]}},
        r"must have an entry for vae. Received: none.*tune",
    ),
    (
        "vae",
        {"tune": tune() | {"vea": tune()["vae"]}},
        r"must name models .nearest: 'vae'.*'vea'.*tune.vea",
    ),
    ("vaee", {}, r"model must be one of.*nearest: 'vae'"),
    (
        "vae",
        {"data": tw.values()["data"] | {"name": "mnist"}},
        r"data set mnist of.*Received: digits. Run: dvc repro",
    ),
    (
        "vae",
        {"search": {"storage": "postgresql://me:secret@127.0.0.1:1/none"}},
        r"a database that answers.*127.0.0.1:1",
    ),
    ("vae", {"search": {"storage": "no address"}}, r"a database that answers.*search.storage"),
    (
        "vae",
        {"search": {"storage": "nonesuch://there/none"}},
        r"a database that answers.*search.storage",
    ),
]


@pytest.mark.parametrize(
    ("model", "changes", "message"), BAD, ids=[f"{number}" for number in range(len(BAD))]
)
def test_bad_input_is_one_line_and_leaves_nothing(
    place: Place, model: str, changes: Any, message: str
) -> None:
    place.write(**changes)
    said = refusal(model)
    assert re.search(message, said), said
    assert "secret" not in said
    assert_untouched(place)


@pytest.mark.parametrize("name", ["../outside", "a/b", ".hidden", "with space", ""])
def test_study_is_named_as_a_folder(place: Place, name: str) -> None:
    assert "a study's name must consist of" in refusal("vae", "--study", name)
    assert_untouched(place)


def test_number_of_trials_must_be_said(place: Place) -> None:
    done = CliRunner().invoke(main, ["tune", "vae"])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "--trials must be given" in done.stderr
    assert_untouched(place)


def test_storage_address_may_come_from_the_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_SEARCH_STORAGE", "postgres://me:secret@127.0.0.1:1/none")
    said = refusal("vae")
    assert "127.0.0.1:1" in said
    assert "GENLAB_SEARCH_STORAGE" in said
    assert "secret" not in said
    assert_untouched(place)


def test_nothing_is_applied_before_a_search(place: Place) -> None:
    done = CliRunner().invoke(main, ["tune", "vae", "--apply"])
    assert done.exit_code == 1
    assert "Received: none. Run: genlab tune vae" in done.stderr
    assert_untouched(place)
