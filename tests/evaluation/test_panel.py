"""The panel of metrics and the scores: what a number carries, and why one is missing."""

import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from genlab.contract.evidence import Measure, Reconstructions, Samples, Unavailable, Values
from genlab.contract.score import Score
from genlab.evaluation import Panel, Scores
from genlab.evaluation.panel import FEW_FEATURES
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.section import Section

GOOD, BAD = Measure("sparks", "higher", "Someone 1998"), Measure("ashes", "lower", "Someone 1999")
GLOW = "test/prior/glow"


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
    features, classes = np.array(values)[:, None], np.zeros(len(values), int)
    return Samples(features, features, classes, classes, 0)


def test_number_carries_interval_unit_reference_method_and_protocol(scores: Scores) -> None:
    """4.30265 is the quantile of Student's distribution with 2 degrees of freedom."""
    sets = [samples(*[value] * 4) for value in (1, 2, 3)]
    scores.add_repeats("prior", sets, {"seed": 4}, "samples")
    margin = 2 * 4.30265 / np.sqrt(3)
    assert scores.values() == {GLOW: 4}
    assert scores.metrics[GLOW] == Score(
        value=4,
        interval=pytest.approx((4 - margin, 4 + margin), rel=1e-5),
        interval_method="Student, 3 repeats",
        unit="sparks",
        direction="higher",
        reference="Someone 1998",
        method="samples",
        protocol={"seed": 4, "metric": {"scale": 2}},
    )


def test_several_judges_have_a_mean_and_the_spread_is_over_the_sets(scores: Scores) -> None:
    """The judges say 2, 4, 6 and 8, 6, 10 of three sets: the means are 5, 5 and 8."""
    sets = {"one": (1, 2, 3), "other": (4, 3, 5)}
    repeats = {name: [samples(*[value] * 4) for value in of] for name, of in sets.items()}
    scores.add_judged("prior", repeats, {}, "samples")
    score, margin = scores.metrics[GLOW], 4.30265 * np.std([5, 5, 8], ddof=1) / np.sqrt(3)
    assert (score.value, score.judges) == (6, {"one": 4, "other": 8})
    assert score.interval == pytest.approx((6 - margin, 6 + margin), rel=1e-5)


def test_number_of_one_whole_set_is_jackknifed(scores: Scores) -> None:
    values = np.random.default_rng(0).normal(size=100)
    scores.add("prior", samples(*values), {}, "samples")
    margin = 2 * 2.262157 * values.reshape(10, 10).mean(axis=0).std(ddof=1) / np.sqrt(10)
    mean, score = 2 * values.mean(), scores.metrics[GLOW]
    assert score.value == pytest.approx(mean)
    assert score.interval == pytest.approx((mean - margin, mean + margin), rel=1e-6)


def leave_out_too_much(panel: Panel, evidence: Samples) -> list[dict[str, float]]:
    kept = np.ones((10, 40), bool)
    kept[9, 2:] = False  # fewer than 4
    return panel.ask_parts(evidence, kept)


@pytest.mark.parametrize(
    ("number", "more"), [(4, {}), (19, {}), (40, {"leave_out": leave_out_too_much})]
)
def test_few_images_have_a_number_and_no_interval(
    scores: Scores, number: int, more: dict[str, Any]
) -> None:
    scores.add("prior", samples(*range(number)), {}, "samples", **more)
    score = scores.metrics[GLOW]
    assert (score.value, score.interval) == (number - 1, None)
    assert score.interval_method == "none: too few images"


def test_value_per_image_becomes_a_mean_and_what_is_not_given_is_skipped(scores: Scores) -> None:
    images = np.zeros((3, 1, 1, 1), np.float32)
    rebuilt = np.array([0.1, 0.2, 0.6], np.float32).reshape(3, 1, 1, 1)
    scores.add("reconstruction", Reconstructions(images, rebuilt), {}, "encoder")
    score = scores.metrics["test/reconstruction/error"]
    assert score.value == pytest.approx(0.3)
    assert score.interval[0] < 0.3 < score.interval[1]
    assert score.interval_method == "bootstrap over 3 images"
    assert scores.skipped == {"test/reconstruction/other": "not measured"}


NOT_FINITE, FEW = "not a finite number", "there are fewer than 4 images"


@pytest.mark.parametrize(
    ("sets", "reason"),
    [
        ([(1, np.inf, 2, 3)], NOT_FINITE),
        ([(1, 1, 1, 1), (1, np.nan, 2, 3)], NOT_FINITE),
        ([(1, 1)], FEW),
        ([(1, 1, 1, 1), (1, 1)], FEW),
    ],
)
def test_reason_why_there_is_no_number(scores: Scores, sets: list[Any], reason: str) -> None:
    evidence = [samples(*values) for values in sets]
    if len(evidence) == 1:
        scores.add("prior", evidence[0], {}, "samples")
    else:
        scores.add_judged("prior", {"judge": evidence, "other": evidence}, {}, "samples")
    assert (scores.metrics, scores.skipped) == ({}, {GLOW: reason})


def test_reason_for_all_numbers_of_one_kind(scores: Scores) -> None:
    scores.skip("reconstruction", Reconstructions, "no encoder")
    expected = {f"test/reconstruction/{name}": "no encoder" for name in ("error", "other")}
    assert scores.skipped == expected


def test_answers_come_in_the_order_of_the_evidence(
    scores: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is ready last; small samples are measured on two cores, and large ones on one."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    threads: list[str] = []

    def slowly(samples: Samples, settings: Settings) -> Values:
        threads.append(threading.current_thread().name)
        time.sleep(0.1 if samples.generated_features[0, 0] == 1 else 0.01)
        return mean_of_generated(samples, settings)

    monkeypatch.setattr(METRICS["glow"], "compute", slowly)
    for size, number in ((1, 2), (FEW_FEATURES + 1, 1)):
        threads.clear()
        features = [np.full((4, size), value) for value in (1, 2, 3)]
        classes = np.zeros(4, int)
        evidence = [Samples(one, one, classes, classes, 0) for one in features]
        answers = scores.panel.ask(evidence)
        assert [[answer.value for answer in own] for own in answers] == [[2], [4], [6]]
        assert len(set(threads)) == number


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ({"frechet_distanc": {}}, "nearest: 'frechet_distance'"),
        ({"class_histogram": {"bins": 3}}, "'bins'"),
    ],
)
def test_unknown_metrics_and_settings_are_refused(entries: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError) as error:
        Panel(entries)
    assert part in str(error.value)
