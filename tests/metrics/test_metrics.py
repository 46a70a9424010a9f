"""What every file in `metrics/` offers; and the formulas of those not of samples or pictures."""

from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from genlab.contract import evidence
from genlab.contract.evidence import (
    EvidenceBound,
    FewLabelPredictions,
    LabelledVectors,
    LogLikelihoods,
    OutlierScores,
    Reconstructions,
    Samples,
    Unavailable,
)
from genlab.metrics import (
    few_labels,
    latent_use,
    linear_probe,
    nearest_neighbour,
    negative_elbo,
    negative_log_likelihood,
    outlier_detection,
)
from genlab.settings import params, plugins

NAMES = plugins.names("metrics")
ROOT = Path(__file__).parents[2]
ENTRIES = params.read_yaml(ROOT / "params.yaml")["evaluation"]["metrics"]
RANDOM = np.random.default_rng(0)

HALVES, PICTURES = np.arange(120) % 2, np.zeros((2, 2, 2, 1), np.float32)
EVIDENCE: dict[type, Any] = {
    Samples: Samples(
        *RANDOM.normal(size=(2, 120, 3)),
        HALVES,
        HALVES,
        2,
        RANDOM.normal(size=(50, 3)),
        asked_classes=HALVES,
        generated_images=RANDOM.integers(256, size=(120, 16, 16, 1)).astype(np.uint8),
        train_images=RANDOM.integers(256, size=(50, 16, 16, 1)).astype(np.uint8),
    ),
    Reconstructions: Reconstructions(PICTURES, PICTURES + np.float32(0.1)),
    EvidenceBound: EvidenceBound(
        np.array([2.0, 4.0]),
        np.array([[0.5, 0.0], [0.5, 1.0]]),
        np.array([[0.0, 1], [0, 3]]),
        np.array([1.25, 0.0]),
    ),
    LogLikelihoods: LogLikelihoods(np.array([-80.0, -90.0]), np.array([45.0, 0.0])),
    LabelledVectors: LabelledVectors(
        np.array([[0.0, 1], [0, 2], [5, 1], [5, 2], [6, 1]]),
        np.array([0, 0, 1, 1, 1]),
        np.eye(2),
        np.array([0, 1]),
    ),
    FewLabelPredictions: FewLabelPredictions(*np.array([[0, 1, 1], [0, 0, 0], [0, 1, 0]])),
    OutlierScores: OutlierScores(np.array([0.0, 1.0]), np.array([2.0, 0.5])),
}


def compute(module: ModuleType, evidence: Any, **settings: Any) -> evidence.Values:
    """Asks a metric with the settings in params.yaml, or with others."""
    if not hasattr(module, "Settings"):
        return module.compute(evidence)
    entry = ENTRIES[module.__name__.rpartition(".")[2]] | settings
    return module.compute(evidence, params.build_section(module.Settings, entry, "tests"))


# Contract


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_gives_what_it_says(name: str) -> None:
    module = plugins.find("metrics", name, "tests")
    assert module.NEEDS in get_args(evidence.Evidence)
    values, again = (compute(module, EVIDENCE[module.NEEDS]) for _ in range(2))
    assert set(values) == set(module.MEASURES)
    for key, value in values.items():
        assert np.isfinite(value).all()
        assert type(value) is float or (value.dtype == np.float64 and value.ndim == 1)
        np.testing.assert_array_equal(value, again[key])


def test_every_metric_has_an_entry_and_every_number_one_meaning() -> None:
    assert sorted(ENTRIES) == NAMES
    text = (ROOT / "docs" / "metrics.md").read_text()
    modules = [plugins.find("metrics", name, "tests") for name in NAMES]
    measures = [item for module in modules for item in module.MEASURES.items()]
    assert len(measures) == len(dict(measures)), "no name has two meanings"
    assert [name for name, _ in measures if f"`{name}`" not in text] == []
    for name, measure in measures:
        assert measure.unit, name
        assert measure.reference, name
        assert measure.direction in ("lower", "higher", "none")
        assert measure.limits is None or measure.limits[0] < measure.limits[1]


# Bound and likelihood


def test_negative_elbo_and_likelihood_by_hand() -> None:
    values = negative_elbo.compute(EVIDENCE[EvidenceBound])
    np.testing.assert_allclose(values["negative_elbo"], [2.5, 5.5])
    np.testing.assert_allclose(values["reconstruction_loss"], [2, 4])
    np.testing.assert_allclose(values["kl"], [0.5, 1.5])
    np.testing.assert_allclose(values["negative_elbo_above_entropy"], [1.25, 5.5])
    values = negative_log_likelihood.compute(EVIDENCE[LogLikelihoods])
    np.testing.assert_array_equal(values["negative_log_likelihood"], [80, 90])
    np.testing.assert_array_equal(values["negative_log_likelihood_above_entropy"], [35, 90])
    density = negative_log_likelihood.compute(LogLikelihoods(np.array([-80.0])))
    assert list(density) == ["negative_log_likelihood"], "no probabilities, no entropy of them"


def test_active_units_by_hand() -> None:
    """The variances of the posterior means are 1, 1, 0.0025, 0.0121 and 0."""
    means = np.array([[0.0, 5.0, 0.0, 0.0, 7.0], [2.0, 3.0, 0.1, 0.22, 7.0]], np.float32)
    kls = np.array([[1.0, 0.5, 0.0, 0.5, 0.0], [3.0, 0.5, 0.0, 0.1, 0.0]], np.float32)
    bound = EvidenceBound(np.zeros(2), kls, means, np.zeros(2))
    assert latent_use.compute(bound) == {"active_units": 3, "largest_kl": 2}
    np.testing.assert_allclose(latent_use.kl_by_dimension(bound), [2, 0.5, 0, 0.3, 0], rtol=1e-6)


# Representations


def blobs(distance: float) -> LabelledVectors:
    """Two classes, apart along the first axis; the second axis is loud and says nothing."""
    generator = np.random.default_rng(4)
    labels = np.arange(2000) % 2
    vectors = generator.normal(size=(2000, 2)) * [1, 1e5]
    vectors[:, 0] += distance * labels
    return LabelledVectors(vectors[:1000], labels[:1000], vectors[1000:], labels[1000:])


def probe_accuracy(vectors: LabelledVectors) -> float:
    hits = linear_probe.compute(vectors)["linear_probe_accuracy"]
    assert set(np.unique(hits)) <= {0, 1}
    return hits.mean()


def test_linear_probe_reaches_the_best_that_a_line_can() -> None:
    """For two normal distributions 2 apart, the best line is right with probability Phi(1)."""
    assert probe_accuracy(blobs(2.0)) == pytest.approx(0.8413, abs=0.03)


@pytest.mark.parametrize("scale", [1, 1e-4])
def test_linear_probe_does_not_ask_for_units(scale: float) -> None:
    """Both dimensions tell the classes; a penalty would drop the one in small units."""
    labels = np.arange(2000) % 2
    vectors = np.random.default_rng(4).normal(size=(2000, 2)) + 2 * labels[:, None]
    vectors[:, 1] *= scale
    parts = vectors[:1000], labels[:1000], vectors[1000:], labels[1000:]
    assert probe_accuracy(LabelledVectors(*parts)) == pytest.approx(0.9214, abs=0.025)  # Phi(2^.5)


def test_linear_probe_does_not_bend() -> None:
    corners, labels = np.array([[0.0, 0], [1, 1], [0, 1], [1, 0]] * 20), np.array([0, 0, 1, 1] * 20)
    accuracy = probe_accuracy(LabelledVectors(corners, labels, corners, labels))
    assert accuracy <= 0.75, "no line has more than three corners of four on the right side"


@pytest.mark.parametrize(("number", "expected"), [(1, [1, 1]), (3, [0, 1])])
def test_neighbours_vote_by_hand(number: int, expected: list[int]) -> None:
    """At 2.1 the nearest is of class 1, the two others of the nearest three of class 0."""
    train, labels = np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([0, 0, 1, 1])
    vectors = LabelledVectors(train, labels, np.array([[2.1], [0.1]]), np.array([1, 0]))
    (hits,) = compute(nearest_neighbour, vectors, num_neighbours=number).values()
    np.testing.assert_array_equal(hits, expected)


def test_neighbours_hear_the_loudest_dimension() -> None:
    """They see the vectors as they are: the dimension that says nothing drowns the other one."""
    (hits,) = compute(nearest_neighbour, blobs(10.0)).values()
    assert hits.mean() < 0.6
    assert probe_accuracy(blobs(10.0)) > 0.99


# Few labels and outliers


def test_few_labels_by_hand() -> None:
    values = few_labels.compute(EVIDENCE[FewLabelPredictions])
    np.testing.assert_array_equal(values["fine_tuned_accuracy"], [1, 1, 0])
    np.testing.assert_array_equal(values["from_scratch_accuracy"], [1, 0, 1])
    np.testing.assert_array_equal(values["few_labels_gain"], [0, 1, -1])


@pytest.mark.parametrize(
    ("inliers", "outliers", "area", "rate"),
    [
        ([0, 1], [2, 1, 0], (1 + 1 + 1 + 0.5 + 0.5 + 0) / 6, 1),  # ties count half
        ([0] * 30, [0] * 20, 0.5, 1),
        ([0] * 30, [1] * 20, 1, 0),
        ([1] * 30, [0] * 20, 0, 1),
    ],
)
def test_outlier_detection_by_hand(inliers: Any, outliers: Any, area: float, rate: float) -> None:
    scores = OutlierScores(np.array(inliers, float), np.array(outliers, float))
    expected = {"auroc": pytest.approx(area), "false_positive_rate_at_95": rate}
    assert outlier_detection.compute(scores) == expected


def test_false_positives_agree_with_the_curve() -> None:
    generator = np.random.default_rng(1)
    inliers, outliers = generator.normal(size=400), generator.normal(1, 2, size=300)
    values = outlier_detection.compute(OutlierScores(inliers, outliers))
    is_outlier, scores = np.repeat([0, 1], [400, 300]), np.concatenate([inliers, outliers])
    false, true, _ = roc_curve(is_outlier, scores, drop_intermediate=False)
    expected = false[np.argmax(true >= 0.95)]
    assert values["false_positive_rate_at_95"] == pytest.approx(expected)
    assert 0.5 < values["auroc"] < expected < 1


# What is not available


@pytest.mark.parametrize(
    ("module", "evidence", "reason"),
    [
        (
            latent_use,
            EvidenceBound(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1)),
            "a variance needs at least 2 images",
        ),
        (
            linear_probe,
            LabelledVectors(np.eye(6), np.full(6, -1), np.eye(6), np.full(6, -1)),
            "the train images have fewer than two classes",
        ),
        (
            nearest_neighbour,
            LabelledVectors(np.eye(6), np.full(6, -1), np.eye(6), np.full(6, -1)),
            "the train images have fewer than two classes",
        ),
        (
            nearest_neighbour,
            LabelledVectors(np.eye(4), np.arange(4), np.eye(4), np.arange(4)),
            "there are fewer than 5 train images",
        ),
        (
            outlier_detection,
            OutlierScores(np.zeros(3), np.zeros(0)),
            "there are no images of another kind",
        ),
    ],
)
def test_reasons(module: ModuleType, evidence: Any, reason: str) -> None:
    with pytest.raises(Unavailable, match=f"^{reason}$"):
        compute(module, evidence)
