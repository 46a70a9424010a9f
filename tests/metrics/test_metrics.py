"""What every file in `metrics/` offers; and the formulas of what is not measured on samples or pictures."""

from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from genlab.measurement import evidence
from genlab.measurement.evidence import (
    EvidenceBound,
    FewLabels,
    ImportanceWeights,
    OutlierScores,
    Reconstructions,
    Representations,
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

EVIDENCE: dict[type, Any] = {
    Samples: Samples(
        RANDOM.normal(size=(120, 3)),
        RANDOM.normal(size=(120, 3)),
        np.arange(120) % 2,
        np.arange(120) % 2,
        2,
        RANDOM.normal(size=(50, 3)),
    ),
    Reconstructions: Reconstructions(
        np.zeros((2, 2, 2, 1), np.float32), np.full((2, 2, 2, 1), 0.1, np.float32)
    ),
    EvidenceBound: EvidenceBound(
        np.array([2.0, 4.0], np.float32),
        np.array([[0.5, 0.0], [0.5, 1.0]], np.float32),
        np.array([[0.0, 1], [0, 3]]),
    ),
    ImportanceWeights: ImportanceWeights(np.array([-80.0, -90.0], np.float32)),
    Representations: Representations(
        np.array([[0.0, 1], [0, 2], [5, 1], [5, 2], [6, 1]]),
        np.array([0, 0, 1, 1, 1]),
        np.eye(2),
        np.array([0, 1]),
    ),
    FewLabels: FewLabels(np.array([0, 1, 1]), np.array([0, 0, 0]), np.array([0, 1, 0])),
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
def test_every_metric_says_what_it_needs_and_what_its_values_mean(name: str) -> None:
    module = plugins.find("metrics", name, "tests")
    assert module.NEEDS in get_args(evidence.Evidence)
    for measure in module.MEASURES.values():
        assert measure.unit
        assert measure.direction in ("lower", "higher", "none")
        assert measure.reference


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_gives_what_it_says(name: str) -> None:
    module = plugins.find("metrics", name, "tests")
    values = compute(module, EVIDENCE[module.NEEDS])
    assert set(values) == set(module.MEASURES)
    for value in values.values():
        assert np.isfinite(value).all()
        assert type(value) is float or (value.dtype == np.float64 and value.ndim == 1)


@pytest.mark.parametrize("name", NAMES)
def test_same_evidence_same_values(name: str) -> None:
    module = plugins.find("metrics", name, "tests")
    values, again = (compute(module, EVIDENCE[module.NEEDS]) for _ in range(2))
    for key in values:
        np.testing.assert_array_equal(values[key], again[key])


def test_every_metric_has_an_entry_and_every_entry_a_metric() -> None:
    assert sorted(ENTRIES) == NAMES


def test_every_number_is_defined_in_the_docs() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    modules = [plugins.find("metrics", name, "tests") for name in NAMES]
    assert [name for module in modules for name in module.MEASURES if f"`{name}`" not in text] == []


def test_no_value_has_two_meanings() -> None:
    modules = [plugins.find("metrics", name, "tests") for name in NAMES]
    names = [name for module in modules for name in module.MEASURES]
    assert len(names) == len(set(names))


# Bound


def test_negative_elbo_by_hand() -> None:
    values = negative_elbo.compute(EVIDENCE[EvidenceBound])
    np.testing.assert_allclose(values["negative_elbo"], [2.5, 5.5])
    np.testing.assert_allclose(values["reconstruction_loss"], [2, 4])
    np.testing.assert_allclose(values["kl"], [0.5, 1.5])


def test_active_units_by_hand() -> None:
    """Two posterior means 2, 2, 0.1, 0.22 and 0 apart: their variances are 1, 1, 0.0025, 0.0121 and 0."""
    means = np.array([[0.0, 5.0, 0.0, 0.0, 7.0], [2.0, 3.0, 0.1, 0.22, 7.0]], np.float32)
    kls = np.array([[1.0, 0.5, 0.0, 0.5, 0.0], [3.0, 0.5, 0.0, 0.1, 0.0]], np.float32)
    bound = EvidenceBound(np.zeros(2), kls, means)
    assert latent_use.compute(bound) == {"active_units": 3, "largest_kl": 2}
    np.testing.assert_allclose(latent_use.kl_by_dimension(bound), [2, 0.5, 0, 0.3, 0], rtol=1e-6)


def test_one_image_has_no_active_units() -> None:
    with pytest.raises(Unavailable, match=r"^a variance needs at least 2 images$"):
        latent_use.compute(EvidenceBound(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2))))


def test_negative_log_likelihood_changes_the_sign() -> None:
    found = negative_log_likelihood.compute(EVIDENCE[ImportanceWeights])["negative_log_likelihood"]
    np.testing.assert_array_equal(found, [80, 90])


# Representations


def blobs(distance: float) -> Representations:
    """Two classes of unit deviation, so far apart along the first axis; the second axis is loud and says nothing."""
    generator = np.random.default_rng(4)
    labels = np.arange(2000) % 2
    vectors = generator.normal(size=(2000, 2)) * [1, 1e5]
    vectors[:, 0] += distance * labels
    return Representations(vectors[:1000], labels[:1000], vectors[1000:], labels[1000:])


def pairs(evidence: Representations) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (evidence.train, evidence.train_labels), (evidence.test, evidence.test_labels)


def test_linear_probe_reaches_the_best_that_a_line_can() -> None:
    """Of two normal distributions d apart, the best line is right with the probability Phi(d / 2): 0.8413 for d = 2."""
    hits = linear_probe.compute(blobs(2.0))["linear_probe_accuracy"]
    assert set(np.unique(hits)) == {0, 1}
    assert hits.mean() == pytest.approx(0.8413, abs=0.03)


def test_linear_probe_does_not_ask_for_units() -> None:
    """Both dimensions tell the classes; a penalty on the weights would drop the one in small units."""
    evidence = blobs(2.0)
    train, test = (
        vectors / [1, 1e5] + 2 * labels[:, None] * [0, 1] for vectors, labels in pairs(evidence)
    )
    hits = [
        linear_probe.compute(
            Representations(
                train * scale, evidence.train_labels, test * scale, evidence.test_labels
            )
        )
        for scale in (1, np.array([1, 1e-4]))
    ]
    np.testing.assert_array_equal(*(found["linear_probe_accuracy"] for found in hits))
    assert hits[0]["linear_probe_accuracy"].mean() == pytest.approx(
        0.9214, abs=0.025
    )  # Phi(sqrt(2))


def test_linear_probe_does_not_bend() -> None:
    corners = np.array([[0.0, 0], [1, 1], [0, 1], [1, 0]] * 20)
    labels = np.array([0, 0, 1, 1] * 20)
    hits = linear_probe.compute(Representations(corners, labels, corners, labels))[
        "linear_probe_accuracy"
    ]
    assert hits.mean() <= 0.75, "no line has more than three corners of four on the right side"


def test_neighbours_vote_by_hand() -> None:
    """At 2.1 the nearest is of class 1, the two others of the nearest three of class 0."""
    train, labels = np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([0, 0, 1, 1])
    evidence = Representations(train, labels, np.array([[2.1], [0.1]]), np.array([1, 0]))
    for number, expected in ((1, [1, 1]), (3, [0, 1])):
        found = compute(nearest_neighbour, evidence, num_neighbours=number)[
            "nearest_neighbour_accuracy"
        ]
        np.testing.assert_array_equal(found, expected)


def test_neighbours_hear_the_loudest_dimension() -> None:
    """They see the vectors as they are: the dimension that says nothing drowns the other one."""
    found = compute(nearest_neighbour, blobs(10.0))["nearest_neighbour_accuracy"]
    assert found.mean() < 0.6
    assert linear_probe.compute(blobs(10.0))["linear_probe_accuracy"].mean() > 0.99


@pytest.mark.parametrize("module", [linear_probe, nearest_neighbour])
def test_one_class_is_no_task(module: ModuleType) -> None:
    evidence = Representations(np.eye(6), np.full(6, -1), np.eye(6), np.full(6, -1))
    with pytest.raises(Unavailable, match=r"^the train images have fewer than two classes$"):
        compute(module, evidence)


def test_neighbours_must_be_there() -> None:
    with pytest.raises(Unavailable, match=r"^there are fewer than 5 train images$"):
        compute(
            nearest_neighbour, Representations(np.eye(4), np.arange(4), np.eye(4), np.arange(4))
        )


# Few labels


def test_few_labels_by_hand() -> None:
    values = few_labels.compute(EVIDENCE[FewLabels])
    np.testing.assert_array_equal(values["fine_tuned_accuracy"], [1, 1, 0])
    np.testing.assert_array_equal(values["from_scratch_accuracy"], [1, 0, 1])
    np.testing.assert_array_equal(values["few_labels_gain"], [0, 1, -1])


# Outliers


def test_area_by_hand_with_ties_as_halves() -> None:
    """Six pairs: 2 over 0 and 1, 1 over 0, 1 as 1, 0 as 0, 0 under 1."""
    values = outlier_detection.compute(
        OutlierScores(np.array([0.0, 1.0]), np.array([2.0, 1.0, 0.0]))
    )
    assert values["auroc"] == pytest.approx((1 + 1 + 1 + 0.5 + 0.5 + 0) / 6)


def test_equal_scores_say_nothing_and_separate_ones_all() -> None:
    same, higher = np.zeros(30), np.ones(20)
    assert outlier_detection.compute(OutlierScores(same, same[:20])) == {
        "auroc": 0.5,
        "false_positive_rate_at_95": 1,
    }
    assert outlier_detection.compute(OutlierScores(same, higher)) == {
        "auroc": 1,
        "false_positive_rate_at_95": 0,
    }
    assert outlier_detection.compute(OutlierScores(higher, same))["auroc"] == 0


def test_false_positives_agree_with_the_curve() -> None:
    generator = np.random.default_rng(1)
    inliers, outliers = generator.normal(size=400), generator.normal(1, 2, size=300)
    found = outlier_detection.compute(OutlierScores(inliers, outliers))
    false, true, _ = roc_curve(
        np.repeat([0, 1], [400, 300]), np.concatenate([inliers, outliers]), drop_intermediate=False
    )
    assert found["false_positive_rate_at_95"] == pytest.approx(false[np.argmax(true >= 0.95)])
    assert 0.5 < found["auroc"] < found["false_positive_rate_at_95"] < 1


def test_without_outliers_there_is_nothing_to_find() -> None:
    with pytest.raises(Unavailable, match=r"^there are no images of another kind$"):
        outlier_detection.compute(OutlierScores(np.zeros(3), np.zeros(0)))
