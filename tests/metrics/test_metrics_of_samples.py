"""What is measured on generated images against real ones: by hand, in loops, on known sets."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from genlab.contract.evidence import Samples, Unavailable, draw, without_generated
from genlab.metrics import (
    class_frechet_distance,
    class_histogram,
    density_coverage,
    frechet_distance,
    kernel_distance,
    label_agreement,
    memorisation,
    precision_recall,
)
from genlab.numerics import neighbours
from genlab.settings import params

SETTINGS: dict[str, dict[str, Any]] = {
    "class_frechet_distance": {"min_images": 2},
    "density_coverage": {"num_neighbours": 5},
    "frechet_distance": {"num_sizes": 15},
    "kernel_distance": {"num_subsets": 10, "subset_size": 100},
    "precision_recall": {"num_neighbours": 3},
}


def samples(real: Any, generated: Any, train: Any = None, seed: int = 0) -> Samples:
    real, generated, train = (
        None if values is None else np.asarray(values, np.float64).reshape(len(values), -1)
        for values in (real, generated, train)
    )
    classes = (np.zeros(len(values), np.int64) for values in (real, generated))
    return Samples(real, generated, *classes, 0, train, seed)


def of_classes(
    real: list[int], generated: list[int], num_classes: int, asked: Any = None
) -> Samples:
    generator = np.random.default_rng(0)
    features = (generator.normal(size=(len(classes), 3)) for classes in (real, generated))
    classes = np.array(real), np.array(generated)
    return Samples(*features, *classes, num_classes, asked_classes=asked)


def compute(module: ModuleType, evidence: Samples, **changes: Any) -> dict[str, float]:
    name = module.__name__.rpartition(".")[2]
    if name not in SETTINGS:
        return module.compute(evidence)
    settings = params.build_section(module.Settings, SETTINGS[name] | changes, "tests")
    return module.compute(evidence, settings)


def normal(number: int, size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, size))


# Fréchet distance


def test_distance_of_two_sets_by_hand_and_too_few_for_the_other() -> None:
    values = compute(frechet_distance, samples([0, 2], [5, 5]))
    assert values == {"frechet_distance": pytest.approx((5 - 1) ** 2 + 2)}  # variance 2, and 0


@pytest.mark.parametrize(
    ("sizes", "distances", "expected"),
    [
        ([100, 250, 400, 1000], [3.5 + 20 / size for size in (100, 250, 400, 1000)], 3.5),
        ([10, 20], [3, 1], -1),  # stays below 0
        ([10, 5, 10 / 3], [1, 2, 2], 5 / 3 - 1),  # slope 5, through the means 0.2 and 5/3
    ],
)
def test_extrapolation_by_hand(sizes: Any, distances: Any, expected: float) -> None:
    found = frechet_distance.extrapolate(sizes, distances)
    assert found == pytest.approx(expected, rel=1e-12)


def test_subset_sizes_are_those_of_the_paper() -> None:
    assert frechet_distance.subset_sizes(50000, 10) == list(range(5000, 50001, 5000))
    assert frechet_distance.subset_sizes(20, 15)[0] == 2
    assert frechet_distance.subset_sizes(19, 15) == []


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_extrapolation_takes_most_of_the_bias_off(shift: float) -> None:
    """1,000 images in 16 dimensions: the bias is about 0.14, and the true distance shift^2."""
    errors = []
    for seed in range(40):  # one has a deviation of 0.08
        generated = normal(1000, 16, seed + 100) + shift * np.eye(16)[0]
        values = compute(frechet_distance, samples(normal(20000, 16, seed), generated, seed=seed))
        errors.append(np.array(list(values.values())) - shift**2)
    plain, infinite = np.mean(errors, axis=0)
    assert plain > 0.05
    assert abs(infinite) < plain / 3


@pytest.mark.parametrize(
    ("module", "name", "changes"),
    [
        (frechet_distance, "frechet_distance_infinite", {}),
        (kernel_distance, "kernel_distance", {"subset_size": 30}),
    ],
)
def test_what_is_drawn_follows_the_seed(module: ModuleType, name: str, changes: Any) -> None:
    sets = normal(60, 3, 0), normal(60, 3, 1)
    first, same, other = (
        compute(module, samples(*sets, seed=seed), **changes)[name] for seed in (5, 5, 6)
    )
    assert first == same != other


# Kernel distance


def kernel_loop(first: np.ndarray, second: np.ndarray) -> float:
    def mean(one: np.ndarray, other: np.ndarray) -> float:
        pairs = np.ndindex(len(one), len(other))
        different = [(i, j) for i, j in pairs if one is not other or i != j]
        return np.mean([(one[i] @ other[j] / one.shape[1] + 1) ** 3 for i, j in different])

    return mean(first, first) + mean(second, second) - 2 * mean(first, second)


def test_kernel_distance_agrees_with_a_loop() -> None:
    real, generated = normal(12, 4, 0), normal(9, 4, 1) + 0.5
    found = kernel_distance.squared_discrepancy(real, generated)
    assert found == pytest.approx(kernel_loop(real, generated))
    (few,) = compute(kernel_distance, samples(real[:9], generated), num_subsets=3).values()
    assert few == pytest.approx(kernel_loop(real[:9], generated)), "at most all images"


def test_kernel_distance_by_hand() -> None:
    """One dimension, real 0 and 2, generated 1 and 1: (1 + 8 - 2 (1 + 27) / 2)."""
    values = compute(kernel_distance, samples([0, 2], [1, 1]))
    assert values == {"kernel_distance": pytest.approx(1 + 8 - 28)}


def test_kernel_distance_is_unbiased_and_the_mean_of_subsets() -> None:
    """Over many pairs of sets of one distribution the mean is 0 within its error."""
    found = [
        kernel_distance.squared_discrepancy(normal(30, 5, seed), normal(30, 5, 999 + seed))
        for seed in range(400)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20
    assert min(found) < 0 < max(found)
    sets = normal(300, 4, 0), normal(300, 4, 1) + 0.3
    whole = kernel_distance.squared_discrepancy(*sets)
    (mean,) = compute(kernel_distance, samples(*sets), num_subsets=50).values()
    assert mean == pytest.approx(whole, rel=0.2)


# Precision and recall, density and coverage


def balls(centres: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """Returns which features (columns) lie in which centre's ball (rows)."""
    radii = [sorted(np.linalg.norm(centres - one, axis=1))[k] for one in centres]
    distances = np.array([np.linalg.norm(features - one, axis=1) for one in centres])
    return distances <= np.array(radii)[:, None]


@pytest.mark.parametrize("k", [1, 3])
def test_balls_agree_with_loops(k: int) -> None:
    real, generated = normal(40, 3, 0), normal(30, 3, 1) * 1.3
    inside = balls(real, generated, k)
    values = compute(precision_recall, samples(real, generated), num_neighbours=k)
    recall = balls(generated, real, k).any(axis=0).mean()
    assert values == {"precision": inside.any(axis=0).mean(), "recall": recall}
    assert 0 < values["precision"] < 1
    values = compute(density_coverage, samples(real, generated), num_neighbours=k)
    assert values["density"] == pytest.approx(inside.sum() / (k * 30))
    assert values["coverage"] == pytest.approx(inside.any(axis=1).mean())


def test_density_and_coverage_by_hand() -> None:
    """Real 0, 1, 3 with the radii 1, 1, 2: 0.5 lies in the first two balls."""
    values = compute(density_coverage, samples([0, 1, 3], [0.5]), num_neighbours=1)
    assert values == {"density": 2, "coverage": pytest.approx(2 / 3)}


def test_sets_of_one_distribution() -> None:
    """Density is 1 in expectation; coverage close to 1 - 2^-5 for five neighbours."""
    values = compute(density_coverage, samples(normal(2000, 4, 0), normal(2000, 4, 1)))
    assert values["density"] == pytest.approx(1, abs=0.05)
    assert values["coverage"] == pytest.approx(1 - 2**-5, abs=0.02)


def test_identical_sets_have_all() -> None:
    features = normal(200, 6, 0).astype(np.float32)
    evidence = samples(features, features)
    assert compute(precision_recall, evidence) == {"precision": 1, "recall": 1}
    values = compute(density_coverage, evidence)
    assert values == {"density": 6 / 5, "coverage": 1}, "a centre, and five up to the surface"
    assert compute(frechet_distance, evidence)["frechet_distance"] == pytest.approx(0, abs=1e-9)
    (kernel,) = compute(kernel_distance, evidence, subset_size=200).values()
    assert kernel < 0, "unbiased, so below the truth here"


ONE, AGAIN, OTHER = normal(300, 4, 0), normal(300, 4, 1), normal(300, 4, 2) + 50
BOTH = np.concatenate([ONE, OTHER])
FAR = np.concatenate([normal(4, 4, 1) * 1000, np.zeros((1, 4))])


@pytest.mark.parametrize(
    ("real", "generated", "expected"),
    [
        (BOTH, AGAIN, {"precision": (0.9, 1), "recall": (0.45, 0.55), "coverage": (0.45, 0.55)}),
        (AGAIN, BOTH, {"precision": (0.45, 0.55), "recall": (0.9, 1), "density": (0.4, 0.6)}),
        (ONE, np.zeros((200, 4)), {"precision": (1, 1), "recall": (0, 0), "coverage": (0, 0.2)}),
        (ONE[:100], FAR, {"recall": (1, 1), "coverage": (0, 0.3)}),
    ],
    ids=["lost mode", "invented mode", "collapsed", "outliers widen recall alone"],
)
def test_known_faults(
    real: np.ndarray, generated: np.ndarray, expected: dict[str, tuple[float, float]]
) -> None:
    """The last as in Naeem et al. 2020, figure 2."""
    evidence = samples(real, generated)
    values = compute(precision_recall, evidence) | compute(density_coverage, evidence)
    for name, (low, high) in expected.items():
        assert low <= values[name] <= high, (name, values)


def test_blocks_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = samples(normal(150, 5, 0), normal(120, 5, 1) * 1.2, normal(130, 5, 2))
    modules = (precision_recall, density_coverage, memorisation)
    whole = [compute(module, evidence) for module in modules]
    monkeypatch.setattr(neighbours, "_search", neighbours._search.__wrapped__)  # type: ignore
    monkeypatch.setattr(neighbours, "BLOCK_SIZE", 700)
    assert [compute(module, evidence) for module in modules] == whole


# Classes


def test_class_shares_by_hand() -> None:
    """A lost class has share 0; an absent one counts in the distance only."""
    real, generated = [0] * 5 + [1] * 3 + [2] * 2, [0] * 8 + [1] * 3 + [2] * 9
    values = compute(class_histogram, of_classes(real, generated, 3))
    assert list(values.values()) == pytest.approx([0.15 / 0.3, 0.45 / 0.2, 0.25])
    values = compute(class_histogram, of_classes([0, 1], [0, 2], 4))
    assert list(values.values()) == pytest.approx([0, 1, 0.5])


def test_distance_by_class_by_hand() -> None:
    """Class 0 is at (5 - 1)^2 + 2, class 1 at 0, class 2 has one generated image."""
    real, real_classes = np.array([0.0, 2, 7, 8, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    generated, classes = np.array([8.0, 5, 7, 5, 1]), np.array([1, 0, 1, 0, 2])
    evidence = Samples(real[:, None], generated[:, None], real_classes, classes, 3)
    values = compute(class_frechet_distance, evidence)
    assert list(values.values()) == pytest.approx([9, 18, 2])  # mean, largest, number
    assert class_frechet_distance.by_class(evidence, 2) == pytest.approx({0: 18, 1: 0})
    with pytest.raises(Unavailable, match=r"^no class has 3 real and generated images$"):
        compute(class_frechet_distance, evidence, min_images=3)


def test_label_agreement_by_hand() -> None:
    evidence = of_classes([0, 1], [0, 1, 2, 1], 3, asked=np.array([0, 2, 2, 0]))
    assert compute(label_agreement, evidence) == {"label_agreement": 0.5}


# Draws, and what the jackknife makes of them


def test_a_draw_keeps_what_is_left_of_it() -> None:
    """Without every tenth image, half of the rest are the same but for chance at the border."""
    features = np.arange(1000)[:, None]
    whole = set(draw(features, None, 500, seed=3).ravel())
    assert len(whole) == 500
    assert whole != set(draw(features, None, 500, seed=4).ravel())
    for block in range(10):
        rows = np.delete(np.arange(1000), np.s_[block::10])
        part = set(draw(features[rows], rows, 450, seed=3).ravel())
        assert len(part - whole) < 25
    np.testing.assert_array_equal(draw(features, None, 1000, seed=3), features)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (kernel_distance, "kernel_distance"),
        (frechet_distance, "frechet_distance"),
        (frechet_distance, "frechet_distance_infinite"),
    ],
)
def test_error_of_the_jackknife_is_that_of_other_images(module: ModuleType, name: str) -> None:
    """Against the deviation over sets of one generator, with one seed of what is drawn."""
    real, values, errors = normal(500, 16, 99), [], []
    for seed in range(60):
        evidence = samples(real, normal(500, 16, seed) * 1.05 + 0.1)
        values.append(compute(module, evidence)[name])
        if seed < 12:
            parts = (without_generated(evidence, np.arange(500)[block::10]) for block in range(10))
            errors.append(9 * np.var([compute(module, part)[name] for part in parts]))
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(values, ddof=1), rel=0.25)


# Memorisation


@pytest.mark.parametrize(
    ("real", "generated", "train", "rank", "share"),
    [
        ([1, 12], [0.5, 11.5, 14], [0, 10], 0.5, 1 / 3),  # at 1 and 2, and at 0.5, 1.5 and 4
        ([1, -1], [1, -1, 1], [0], 0.5, 0),  # ties count half
    ],
)
def test_memorisation_by_hand(
    real: Any, generated: Any, train: Any, rank: float, share: float
) -> None:
    values = compute(memorisation, samples(real, generated, train))
    assert values == pytest.approx({"nearest_train_rank": rank, "copied_share": share})


def test_copies_are_found_and_strangers_are_not() -> None:
    train, real, generated = (normal(1500, 4, seed) for seed in range(3))
    copies = np.concatenate([train[:300], generated[300:]])
    for others, rank, share in (
        (generated, 0.5, 0.01),
        (copies, 0.8 * 0.5 + 0.2, 0.2 + 0.8 * 0.01),
        (train, 1, 1),
        (generated + 30, 0, 0),
    ):
        values = compute(memorisation, samples(real, others, train))
        assert values["nearest_train_rank"] == pytest.approx(rank, abs=0.03)
        assert values["copied_share"] == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("leaked_share", [0.015, 0.5])
def test_copies_are_found_where_held_out_images_are_in_train(leaked_share: float) -> None:
    train, real, generated = (normal(1000, 4, seed) for seed in range(3))
    leaked = round(leaked_share * len(real))
    real[:leaked] = train[:leaked]
    nearly = train + 1e-6 * normal(1000, 4, 3)
    for others, expected in ((train, 1), (nearly, 1), (generated, 0.01)):
        share = compute(memorisation, samples(real, others, train))["copied_share"]
        assert share == pytest.approx(expected, abs=0.015)


def test_closest_pairs_by_hand() -> None:
    pairs = memorisation.closest_pairs(samples([0], [21, 9.5, 4, 0], train=[10, 0, 20]), 3)
    np.testing.assert_array_equal(pairs.generated, [3, 1, 0])
    np.testing.assert_array_equal(pairs.train, [1, 0, 2])
    np.testing.assert_array_equal(pairs.distances, [0, 0.5, 1])


# What is not available

NO_TRAIN = "the images that the model was trained on are not known"


@pytest.mark.parametrize(
    ("module", "evidence", "reason"),
    [
        (precision_recall, samples([0, 1, 2], [0, 1, 2]), "3 nearest neighbours need more than 3"),
        (density_coverage, samples([0, 1, 2], [0, 1, 2]), "5 nearest neighbours need more than 5"),
        (frechet_distance, samples([0], [1, 2]), "a covariance needs at least 2"),
        (kernel_distance, samples([0], [1, 2]), "pairs of different images need at least 2"),
        (class_histogram, of_classes([0, 0], [0, 0], 0), "the images have no classes"),
        (class_frechet_distance, of_classes([0, 0], [0, 0], 0), "the images have no classes"),
        (label_agreement, of_classes([0], [0], 0, np.array([0])), "the images have no classes"),
        (label_agreement, of_classes([0], [0], 2), "no classes were asked for"),
        (memorisation, samples([0], [1]), NO_TRAIN),
        (memorisation, samples([1, 0], [0, 5], [0, 1, 2]), "all held-out images are among those"),
    ],
)
def test_reasons(module: ModuleType, evidence: Samples, reason: str) -> None:
    with pytest.raises(Unavailable, match=f"^{reason}"):
        compute(module, evidence)
