"""The panel of metrics and the scores: who is asked, what a number carries, and what is said where there is none."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from genlab.evaluation import Panel, Scores
from genlab.measurement.evidence import Measure, Reconstructions, Samples, Unavailable, Values
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Section

GOOD, BAD = Measure("sparks", "higher", "Someone 1998"), Measure("ashes", "lower", "Someone 1999")


class Settings(Section):
    scale: float = Field(gt=0)


def mean_of_generated(samples: Samples, settings: Settings) -> Values:
    if len(samples.generated_features) < 4:
        raise Unavailable("there are fewer than 4 images")
    return {"glow": settings.scale * float(samples.generated_features.mean())}


def errors(evidence: Reconstructions) -> Values:
    return {"error": np.abs(evidence.images - evidence.reconstructions).mean(axis=(1, 2, 3))}


METRICS: dict[str, Any] = {
    "glow": SimpleNamespace(
        NEEDS=Samples, MEASURES={"glow": GOOD}, Settings=Settings, compute=mean_of_generated
    ),
    "error": SimpleNamespace(
        NEEDS=Reconstructions, MEASURES={"error": BAD, "other": BAD}, compute=errors
    ),
}


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Scores:
    monkeypatch.setattr(plugins, "find", lambda folder, name, where: METRICS[name])
    return Scores(Panel({"glow": {"scale": 2}, "error": {}}), seed=0)


def samples(*values: float) -> Samples:
    features = np.array(values)[:, None]
    return Samples(features, features, np.zeros(len(values), int), np.zeros(len(values), int), 0)


def test_number_carries_interval_unit_reference_method_and_protocol(scores: Scores) -> None:
    scores.add(
        "prior",
        [samples(1, 1, 1, 1), samples(2, 2, 2, 2), samples(3, 3, 3, 3)],
        {"seed": 4},
        "samples",
    )
    assert scores.values() == {"test/prior/glow": 4}
    assert scores.metrics["test/prior/glow"] == {
        "value": 4,
        "interval": pytest.approx(
            (4 - 2 * 4.30265 / np.sqrt(3), 4 + 2 * 4.30265 / np.sqrt(3)), rel=1e-5
        ),
        "interval_method": "Student, 3 repeats",
        "unit": "sparks",
        "direction": "higher",
        "reference": "Someone 1998",
        "method": "samples",
        "protocol": {"seed": 4, "metric": {"scale": 2}},
    }


def test_number_of_one_whole_set_is_jackknifed(scores: Scores) -> None:
    values = np.random.default_rng(0).normal(size=100)
    scores.add("prior", samples(*values), {}, "samples")
    found = scores.metrics["test/prior/glow"]
    margin = 2 * 2.262157 * values.reshape(10, 10).mean(axis=0).std(ddof=1) / np.sqrt(10)
    assert found["value"] == pytest.approx(2 * values.mean())
    assert found["interval"] == pytest.approx(
        (2 * values.mean() - margin, 2 * values.mean() + margin), rel=1e-6
    )


@pytest.mark.parametrize("number", [4, 19])
def test_few_images_have_a_number_and_no_interval(scores: Scores, number: int) -> None:
    scores.add("prior", samples(*range(number)), {}, "samples")
    found = scores.metrics["test/prior/glow"]
    assert (found["value"], found["interval"]) == (number - 1, None)
    assert found["interval_method"] == "none: too few images"


def test_block_without_which_there_is_no_number_leaves_no_interval(scores: Scores) -> None:
    def leave_out(evidence: Samples) -> list[Samples]:
        return [evidence] * 9 + [samples(1, 1)]  # fewer than 4

    scores.add("prior", samples(*range(40)), {}, "samples", leave_out)
    assert scores.metrics["test/prior/glow"]["interval"] is None
    json.dumps(scores.metrics, allow_nan=False)


@pytest.mark.parametrize("repeats", [1, 3])
def test_what_is_not_finite_is_skipped(scores: Scores, repeats: int) -> None:
    scores.add("prior", [samples(1, np.inf, 2, 3)] * repeats, {}, "samples")
    assert (scores.metrics, scores.skipped) == ({}, {"test/prior/glow": "not a finite number"})


def test_value_per_image_becomes_a_mean_and_what_is_not_given_is_skipped(scores: Scores) -> None:
    images = np.zeros((3, 1, 1, 1), np.float32)
    rebuilt = np.array([0.1, 0.2, 0.6], np.float32).reshape(3, 1, 1, 1)
    scores.add("reconstruction", Reconstructions(images, rebuilt), {}, "encoder")
    found = scores.metrics["test/reconstruction/error"]
    assert found["value"] == pytest.approx(0.3)
    assert found["interval"][0] < 0.3 < found["interval"][1]
    assert found["interval_method"] == "bootstrap over 3 images"
    assert scores.skipped == {"test/reconstruction/other": "not measured"}


def test_reason_of_a_metric_that_cannot_answer(scores: Scores) -> None:
    scores.add("prior", [samples(1, 1, 1, 1), samples(1, 1)], {}, "samples")
    assert (scores.metrics, scores.skipped) == (
        {},
        {"test/prior/glow": "there are fewer than 4 images"},
    )


def test_reason_for_all_numbers_of_one_kind(scores: Scores) -> None:
    scores.skip("reconstruction", Reconstructions, "no encoder")
    assert scores.skipped == {
        "test/reconstruction/error": "no encoder",
        "test/reconstruction/other": "no encoder",
    }


def test_unknown_metrics_and_settings_are_refused_in_one_line() -> None:
    with pytest.raises(
        InputError, match=r"nearest: 'frechet_distance'.* Received: 'frechet_distanc'"
    ):
        Panel({"frechet_distanc": {}})
    with pytest.raises(
        InputError, match=r"params.yaml: evaluation.metrics.class_histogram has no key 'bins'"
    ):
        Panel({"class_histogram": {"bins": 3}})
