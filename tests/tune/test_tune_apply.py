"""The winner into params.yaml: where it counts, and nothing else in the file changes."""

import difflib
import re
from pathlib import Path
from typing import Any

import pytest
from fixtures_models import ROOT

from genlab.runtime.errors import InputError
from genlab.settings import params
from genlab.tune import apply, read_best

OTHERS = "widths: [500, 500], latent_dim: 20, batch_size: 128, steps: 24000"
VAE_ON_MNIST = f"      vae: {{{OTHERS}}}\n"
SETTINGS = {"learning_rate": 0.002345, "kl_weight": 0.5}
WRITTEN = "learning_rate: 0.002345, kl_weight: 0.5"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Returns a copy of params.yaml in which no search has written to this entry yet."""
    entry = r"(\n  mnist:\n(?:    .*\n)*?) +vae: .*\n"
    text, number = re.subn(entry, rf"\1{VAE_ON_MNIST}", (ROOT / "params.yaml").read_text())
    assert number == 1
    copied = tmp_path / "params.yaml"
    copied.write_text(text)
    return copied


def differing(path: Path, old: str) -> list[str]:
    """Returns the lines that are gone and those that are new."""
    lines = difflib.ndiff(old.splitlines(), path.read_text().splitlines())
    return [line for line in lines if line[0] in "+-"]


def applied(path: Path, data: str, model: str) -> dict[str, Any]:
    """Returns a model's settings as the pipeline reads them on a data set."""
    return params.load(path, data_name=data).models[model]


@pytest.mark.parametrize("data", ["digits", "mnist", "image_folder", "cifar10"])
def test_settings_count_where_they_were_found(path: Path, data: str) -> None:
    before = {name: applied(path, name, "vae") for name in ("digits", "mnist", "kmnist")}
    changes = apply(path, data, "vae", SETTINGS)
    assert applied(path, data, "vae").items() >= SETTINGS.items()
    for name, values in before.items():
        assert (applied(path, name, "vae") == values) == (name != data)
    assert WRITTEN in changes


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("digits", ["+     models:", f"+       vae: {{{WRITTEN}}}"]),
        ("mnist", [f"-       vae: {{{OTHERS}}}", f"+       vae: {{{OTHERS}, {WRITTEN}}}"]),
    ],
)
def test_only_touched_lines_differ(path: Path, data: str, lines: list[str]) -> None:
    old = path.read_text()
    changes = apply(path, data, "vae", SETTINGS)
    assert differing(path, old) == lines
    shown = [line for line in changes.splitlines() if re.match(r"[+-](?![+-]{2})", line)]
    assert [line[:1] + line[1:].strip() for line in shown] == [
        line[:1] + line[2:].strip() for line in lines
    ]


def test_second_time_changes_nothing(path: Path) -> None:
    apply(path, "digits", "vae", SETTINGS)
    first = path.read_bytes()
    assert apply(path, "digits", "vae", SETTINGS) == ""
    assert path.read_bytes() == first


def test_present_settings_are_not_written(path: Path) -> None:
    old = path.read_bytes()
    assert apply(path, "digits", "vae", {"learning_rate": 1.0e-3, "kl_weight": 1}) == ""
    assert apply(path, "mnist", "vae", {"widths": [500, 500], "latent_dim": 20}) == ""
    assert path.read_bytes() == old


def test_later_settings_take_the_place_of_earlier_ones(path: Path) -> None:
    old = path.read_text()
    apply(path, "digits", "vae", SETTINGS)
    apply(path, "digits", "vae", {"learning_rate": 0.01, "kl_weight": 0.5})
    assert differing(path, old)[-1] == "+       vae: {learning_rate: 0.01, kl_weight: 0.5}"


@pytest.mark.parametrize(
    ("data", "model", "settings"),
    [
        ("digits", "vae", {"widths": [32, 16], "gradient_clip_norm": None}),
        ("mnist", "gan", {"generator_filters": [8], "gradient_clip_norm": 1.0}),
        ("digits", "vae", {"learning_rate": 1e-5, "kl_weight": 1.234e-7}),
    ],
)
def test_lists_and_small_numbers_are_read_as_they_were(
    path: Path, data: str, model: str, settings: dict[str, Any]
) -> None:
    text = apply(path, data, model, settings)
    assert applied(path, data, model).items() >= settings.items()
    assert ("vae: {widths: [32, 16]}" in text) == ("widths" in settings)


@pytest.mark.parametrize("empty", [None, "datasets:", "datasets: {}", "datasets: null"])
def test_missing_sections_are_made(path: Path, empty: str | None) -> None:
    text = path.read_text()
    if empty is not None:
        head, tail = text[: text.index("datasets:  ")], text[text.index("profiles:  ") :]
        path.write_text(f"{head}{empty}\n\n{tail}")
    apply(path, "mine", "vae", SETTINGS)
    assert params.read_yaml(path)["datasets"]["mine"] == {"models": {"vae": SETTINGS}}


def rewrite(path: Path, *lines: str) -> str:
    """Writes the entry of the VAE on MNIST differently; returns the file's text."""
    head, entry, tail = path.read_text().partition(VAE_ON_MNIST)
    assert entry
    path.write_text(head + "".join(f"      {line}\n" for line in lines) + tail)
    return path.read_text()


def test_comment_in_the_touched_entry_stays(path: Path) -> None:
    rate = "  learning_rate: 0.5    # too high"
    old = rewrite(path, "vae:              # as in the paper", "  widths: [500, 500]  # both", rate)
    apply(path, "mnist", "vae", {"learning_rate": 0.002})
    gone, new = differing(path, old)
    assert gone == f"-       {rate}"
    assert new.split() == ["+", "learning_rate:", "0.002", "#", "too", "high"]


def test_entry_over_several_lines_may_be_touched(path: Path) -> None:
    first, second = OTHERS.split("20, ")
    old = rewrite(path, f"vae: {{{first}20,", f"      {second}}}")
    apply(path, "mnist", "vae", SETTINGS)
    expected = {"widths": [500, 500], "steps": 24000, **SETTINGS}
    assert applied(path, "mnist", "vae").items() >= expected.items()
    assert len(differing(path, old)) == 3


def test_size_that_would_win_is_refused(path: Path) -> None:
    before = path.read_text()
    with pytest.raises(InputError) as error:
        apply(path, "image_folder", "vae", {"learning_rate": 0.002, "latent_dim": 7})
    place = "datasets.image_folder.sizes.24"
    assert error.value.received == f"{place}, which sets latent_dim"
    assert path.read_text() == before
    assert apply(path, "image_folder", "vae", {"learning_rate": 0.002})


def test_profile_that_would_win_is_refused(path: Path) -> None:
    text = path.read_text().replace("profile: default  ", "profile: likelihood  ")
    path.write_text(text)
    with pytest.raises(InputError) as error:
        apply(path, "digits", "vae", SETTINGS)
    assert error.value.received == "profiles.likelihood, which sets learning_rate"
    assert "profiles.likelihood.models.vae.learning_rate" in error.value.where
    assert path.read_text() == text
    apply(path, "digits", "gan", {"generator_learning_rate": 0.002})


def test_link_to_the_parameters_stays_one(path: Path) -> None:
    link = path.with_name("link.yaml")
    link.symlink_to(path)
    apply(link, "digits", "vae", SETTINGS)
    assert link.is_symlink()
    assert applied(path, "digits", "vae").items() >= SETTINGS.items()


def test_winner_is_read_from_the_last_search(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_best(tmp_path, "vae")
    assert error.value.where == "Run: genlab tune vae --trials 30"
    text = "data: digits\nmodels:\n  vae: {kl_weight: 0.5, widths: [3, 4]}\n"
    (tmp_path / "best_params.yaml").write_text(text)
    assert read_best(tmp_path, "vae") == ("digits", {"kl_weight": 0.5, "widths": [3, 4]})
    with pytest.raises(InputError) as error:
        read_best(tmp_path, "gan")
    assert error.value.received == "vae"


def test_schedule_cannot_be_applied(tmp_path: Path) -> None:
    """A population's winner changed its settings on the way: an entry holds one choice."""
    text = "data: digits\nmodels:\n  vae: {kl_weight: 0.5}\n"
    text += "schedule:\n- {step: 0, settings: {kl_weight: 1.0}}\n"
    text += "- {step: 10, settings: {kl_weight: 0.5}}\n"
    (tmp_path / "best_params.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        read_best(tmp_path, "vae")
    assert error.value.received == "a schedule of 2"
    assert error.value.where == f"See {tmp_path / 'best_params.yaml'}: schedule"
