"""What is measured on generated images against real ones: by hand, in loops over all pairs, on sets that are known."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from genlab.measurement.evidence import Samples, Unavailable, draw, without_generated
from genlab.metrics import (
    class_frechet_distance,
    class_histogram,
    density_coverage,
    frechet_distance,
    kernel_distance,
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
    arrays = [
        None if values is None else np.asarray(values, np.float64)
        for values in (real, generated, train)
    ]
    arrays = [None if values is None else values.reshape(len(values), -1) for values in arrays]
    classes = [np.zeros(len(values), np.int64) for values in (real, generated)]
    return Samples(
        arrays[0], arrays[1], *classes, num_classes=0, train_features=arrays[2], seed=seed
    )


def of_classes(real: list[int], generated: list[int], num_classes: int) -> Samples:
    generator = np.random.default_rng(0)
    features = (generator.normal(size=(len(classes), 3)) for classes in (real, generated))
    return Samples(*features, np.array(real), np.array(generated), num_classes)


def compute(module: ModuleType, evidence: Samples, **changes: Any) -> dict[str, float]:
    name = module.__name__.rpartition(".")[2]
    if name not in SETTINGS:
        return module.compute(evidence)
    return module.compute(
        evidence, params.build_section(module.Settings, SETTINGS[name] | changes, "tests")
    )


def normal(number: int, size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, size))


# Fréchet distance


def test_distance_of_two_sets_by_hand_and_too_few_for_the_other() -> None:
    found = compute(frechet_distance, samples([0, 2], [5, 5]))
    assert found == {"frechet_distance": pytest.approx((5 - 1) ** 2 + 2)}  # variance 2, and 0


def test_extrapolation_of_a_line_is_exact() -> None:
    sizes = [100, 250, 400, 1000]
    assert frechet_distance.extrapolate(
        sizes, [3.5 + 20 / size for size in sizes]
    ) == pytest.approx(3.5, rel=1e-12)
    assert frechet_distance.extrapolate([10, 20], [3, 1]) == pytest.approx(-1)  # and stays below 0


def test_extrapolation_is_of_least_squares() -> None:
    """At 1/size = 0.1, 0.2, 0.3 the distances 1, 2, 2: slope 5, through the means 0.2 and 5/3."""
    assert frechet_distance.extrapolate([10, 5, 10 / 3], [1, 2, 2]) == pytest.approx(5 / 3 - 1)


def test_subset_sizes_are_those_of_the_paper() -> None:
    assert frechet_distance.subset_sizes(50000, 10) == list(range(5000, 50001, 5000))
    assert frechet_distance.subset_sizes(20, 15)[0] == 2
    assert frechet_distance.subset_sizes(19, 15) == []


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_extrapolation_takes_most_of_the_bias_off(shift: float) -> None:
    """1,000 images in 16 dimensions: the bias is about 0.14, and the true distance shift^2."""
    errors = []
    for seed in range(40):  # one has a deviation of 0.08
        generated = normal(1000, 16, seed + 100)
        generated[:, 0] += shift
        found = compute(frechet_distance, samples(normal(20000, 16, seed), generated, seed=seed))
        errors.append(
            [found["frechet_distance"] - shift**2, found["frechet_distance_infinite"] - shift**2]
        )
    plain, infinite = np.mean(errors, axis=0)
    assert plain > 0.05
    assert abs(infinite) < plain / 3


def test_extrapolation_follows_the_seed() -> None:
    sets = normal(60, 3, 0), normal(60, 3, 1)
    values = [compute(frechet_distance, samples(*sets, seed=seed)) for seed in (5, 5, 6)]
    assert values[0] == values[1]
    assert values[0]["frechet_distance"] == values[2]["frechet_distance"]
    assert values[0]["frechet_distance_infinite"] != values[2]["frechet_distance_infinite"]


# Kernel distance


def kernel_loop(first: np.ndarray, second: np.ndarray) -> float:
    def mean(one: np.ndarray, other: np.ndarray, leave_out_same: bool) -> float:
        pairs = [
            (i, j)
            for i in range(len(one))
            for j in range(len(other))
            if i != j or not leave_out_same
        ]
        return float(np.mean([(one[i] @ other[j] / one.shape[1] + 1) ** 3 for i, j in pairs]))

    return mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)


def test_kernel_distance_agrees_with_a_loop() -> None:
    real, generated = normal(12, 4, 0), normal(9, 4, 1) + 0.5
    assert kernel_distance.squared_discrepancy(real, generated) == pytest.approx(
        kernel_loop(real, generated)
    )
    few = compute(kernel_distance, samples(real[:9], generated), num_subsets=3)["kernel_distance"]
    assert few == pytest.approx(kernel_loop(real[:9], generated)), "at most all images"


def test_kernel_distance_by_hand() -> None:
    """One dimension, real 0 and 2, generated 1 and 1: (1 + 8 - 2 (1 + 27) / 2)."""
    assert compute(kernel_distance, samples([0, 2], [1, 1]))["kernel_distance"] == pytest.approx(
        1 + 8 - 28
    )


def test_kernel_distance_is_unbiased() -> None:
    """Sets of one distribution: the mean over many pairs of sets is 0 within its error, and some are negative."""
    found = [
        kernel_distance.squared_discrepancy(normal(30, 5, seed), normal(30, 5, 999 + seed))
        for seed in range(400)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20
    assert min(found) < 0 < max(found)


def test_kernel_distance_is_the_mean_of_subsets() -> None:
    """Subsets of a third of the images scatter about the estimate of all of them."""
    sets = normal(300, 4, 0), normal(300, 4, 1) + 0.3
    whole = kernel_distance.squared_discrepancy(*sets)
    found = compute(kernel_distance, samples(*sets), num_subsets=50)["kernel_distance"]
    assert found == pytest.approx(whole, rel=0.2)
    assert found != pytest.approx(whole, rel=1e-6)
    assert (
        found != compute(kernel_distance, samples(*sets, seed=1), num_subsets=50)["kernel_distance"]
    )


# Precision and recall, density and coverage


@pytest.mark.parametrize("num_neighbours", [1, 3])
def test_precision_and_recall_agree_with_loops(num_neighbours: int) -> None:
    real, generated = normal(40, 3, 0), normal(30, 3, 1) * 1.3

    def share(features: np.ndarray, centres: np.ndarray) -> float:
        radii = [
            sorted(np.linalg.norm(centres - centre, axis=1))[num_neighbours] for centre in centres
        ]
        hits = [
            any(np.linalg.norm(one - c) <= r for c, r in zip(centres, radii, strict=True))
            for one in features
        ]
        return float(np.mean(hits))

    found = compute(precision_recall, samples(real, generated), num_neighbours=num_neighbours)
    assert found == {"precision": share(generated, real), "recall": share(real, generated)}
    assert 0 < found["precision"] < 1


@pytest.mark.parametrize("num_neighbours", [1, 5])
def test_density_and_coverage_agree_with_loops(num_neighbours: int) -> None:
    real, generated = normal(40, 3, 2), normal(30, 3, 3) * 1.3
    radii = [sorted(np.linalg.norm(real - one, axis=1))[num_neighbours] for one in real]
    inside = [
        [np.linalg.norm(one - c) <= r for one in generated]
        for c, r in zip(real, radii, strict=True)
    ]
    found = compute(density_coverage, samples(real, generated), num_neighbours=num_neighbours)
    assert found["density"] == pytest.approx(np.sum(inside) / (num_neighbours * 30))
    assert found["coverage"] == pytest.approx(np.mean([any(row) for row in inside]))


def test_density_and_coverage_by_hand() -> None:
    """Real 0, 1, 3 with the radii 1, 1, 2: 0.5 lies in the first two balls."""
    found = compute(density_coverage, samples([0, 1, 3], [0.5]), num_neighbours=1)
    assert found == {"density": 2, "coverage": pytest.approx(2 / 3)}


def test_sets_of_one_distribution() -> None:
    """Density is 1 in expectation; coverage 1 - (1/2 3/4 ...), which is close to 1 - 2^-5 for five neighbours."""
    found = compute(density_coverage, samples(normal(2000, 4, 0), normal(2000, 4, 1)))
    assert found["density"] == pytest.approx(1, abs=0.05)
    assert found["coverage"] == pytest.approx(1 - 2**-5, abs=0.02)


def test_identical_sets_have_all() -> None:
    features = normal(200, 6, 0).astype(np.float32)
    evidence = samples(features, features)
    assert compute(precision_recall, evidence) == {"precision": 1, "recall": 1}
    assert compute(density_coverage, evidence)["coverage"] == 1
    assert compute(frechet_distance, evidence)["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert compute(kernel_distance, evidence, subset_size=200)["kernel_distance"] < 0, (
        "unbiased, so below the truth here"
    )


def test_a_lost_mode_costs_recall_and_an_invented_one_precision() -> None:
    """Two clusters far apart, and one of them alone."""
    one, again, other = normal(300, 4, 0), normal(300, 4, 1), normal(300, 4, 2) + 50
    lost = samples(np.concatenate([one, other]), again)
    found = compute(precision_recall, lost)
    assert found["precision"] > 0.9
    assert found["recall"] == pytest.approx(0.5, abs=0.05)
    assert compute(density_coverage, lost)["coverage"] == pytest.approx(0.5, abs=0.05)
    invented = samples(again, np.concatenate([one, other]))
    found = compute(precision_recall, invented)
    assert found["precision"] == pytest.approx(0.5, abs=0.05)
    assert found["recall"] > 0.9
    assert compute(density_coverage, invented)["density"] == pytest.approx(0.5, abs=0.1)


def test_a_collapsed_model_has_precision_without_recall() -> None:
    found = samples(normal(300, 4, 0), np.zeros((200, 4)))
    assert compute(precision_recall, found) == {"precision": 1, "recall": 0}
    assert compute(density_coverage, found)["coverage"] < 0.2


def test_an_outlier_widens_recall_and_not_coverage() -> None:
    """The region of a sample whose neighbours are far away holds every real image (Naeem et al. 2020, figure 2)."""
    generated = np.concatenate([normal(4, 2, 1) * 1000, np.zeros((1, 2))])
    evidence = samples(normal(100, 2, 0), generated)
    assert compute(precision_recall, evidence)["recall"] == 1
    assert compute(density_coverage, evidence)["coverage"] < 0.3


def test_blocks_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = samples(normal(150, 5, 0), normal(120, 5, 1) * 1.2, normal(130, 5, 2))
    modules = (precision_recall, density_coverage, memorisation)
    whole = [compute(module, evidence) for module in modules]
    monkeypatch.setattr(neighbours, "BLOCK_SIZE", 700)
    assert [compute(module, evidence) for module in modules] == whole


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (precision_recall, "3 nearest neighbours need more than 3 images"),
        (density_coverage, "5 nearest neighbours need more than 5 images"),
    ],
)
def test_too_few_images_have_no_neighbours(module: ModuleType, reason: str) -> None:
    with pytest.raises(Unavailable, match=f"^{reason}$"):
        compute(module, samples([0, 1, 2], [0, 1, 2]))


@pytest.mark.parametrize("module", [frechet_distance, kernel_distance])
def test_one_image_has_no_distance(module: ModuleType) -> None:
    with pytest.raises(Unavailable, match=r"at least 2 images$"):
        compute(module, samples([0], [1, 2]))


# Classes


def test_class_shares_by_hand() -> None:
    values = compute(
        class_histogram, of_classes([0] * 5 + [1] * 3 + [2] * 2, [0] * 8 + [1] * 3 + [2] * 9, 3)
    )
    assert values["smallest_class_share"] == pytest.approx(0.15 / 0.3)
    assert values["largest_class_share"] == pytest.approx(0.45 / 0.2)
    assert values["class_histogram_distance"] == pytest.approx((0.1 + 0.15 + 0.25) / 2)


def test_lost_class_has_share_zero_and_absent_class_counts_in_the_distance_only() -> None:
    values = compute(class_histogram, of_classes([0, 1], [0, 2], 4))
    assert values == pytest.approx(
        {"smallest_class_share": 0, "largest_class_share": 1, "class_histogram_distance": 0.5}
    )


@pytest.mark.parametrize("module", [class_histogram, class_frechet_distance])
def test_images_without_classes_have_no_shares(module: ModuleType) -> None:
    with pytest.raises(Unavailable, match=r"^the images have no classes$"):
        compute(module, of_classes([0, 0], [0, 0], 0))


def test_distance_by_class_by_hand() -> None:
    """Class 0 is at (5 - 1)^2 + 2, class 1 at 0, class 2 has one generated image."""
    real, real_classes = np.array([0.0, 2, 7, 8, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    generated, classes = np.array([8.0, 5, 7, 5, 1]), np.array([1, 0, 1, 0, 2])
    evidence = Samples(real[:, None], generated[:, None], real_classes, classes, 3)
    assert compute(class_frechet_distance, evidence) == pytest.approx(
        {
            "class_frechet_distance_mean": 9,
            "class_frechet_distance_largest": 18,
            "class_frechet_distance_classes": 2,
        }
    )
    assert class_frechet_distance.by_class(evidence, 2) == pytest.approx({0: 18, 1: 0})
    with pytest.raises(Unavailable, match=r"^no class has 3 real and generated images$"):
        compute(class_frechet_distance, evidence, min_images=3)


# Draws, and what the jackknife makes of them


def test_a_draw_keeps_what_is_left_of_it() -> None:
    """Half of 1,000; without every tenth image half of the 900 are the same ones but for chance at the border."""
    features = np.arange(1000)[:, None]
    whole = set(draw(features, None, 500, seed=3).ravel())
    assert len(whole) == 500
    assert whole != set(draw(features, None, 500, seed=4).ravel())
    for block in range(10):
        rows = np.delete(np.arange(1000), np.s_[block::10])
        part = set(draw(features[rows], rows, 450, seed=3).ravel())
        assert len(part - whole) < 25
    np.testing.assert_array_equal(draw(features, None, 1000, seed=3), features)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (kernel_distance, "kernel_distance"),
        (frechet_distance, "frechet_distance"),
        (frechet_distance, "frechet_distance_infinite"),
    ],
)
def test_error_of_the_jackknife_is_that_of_other_images(module: ModuleType, name: str) -> None:
    """Against the deviation over sets of images of one generator, with one and the same seed of what is drawn."""
    real, found, errors = normal(500, 16, 99), [], []
    for seed in range(60):
        evidence = samples(real, normal(500, 16, seed) * 1.05 + 0.1)
        found.append(compute(module, evidence)[name])
        if seed < 12:
            parts = (without_generated(evidence, np.arange(500)[block::10]) for block in range(10))
            errors.append(9 * np.var([compute(module, part)[name] for part in parts]))
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(found, ddof=1), rel=0.25)


# Memorisation


def test_memorisation_by_hand() -> None:
    """Held out at 1 and 2 from the train images, generated at 0.5, 1.5 and 4: three of six pairs, one below 1.01."""
    evidence = samples([1, 12], [0.5, 11.5, 14], train=[0, 10])
    assert compute(memorisation, evidence) == pytest.approx(
        {"nearest_train_rank": 0.5, "copied_share": 1 / 3}
    )


def test_equal_distances_count_half() -> None:
    found = compute(memorisation, samples([1, -1], [1, -1, 1], train=[0]))
    assert found == {"nearest_train_rank": 0.5, "copied_share": 0}


def test_held_out_images_are_like_held_out_images() -> None:
    train, real, generated = (normal(1500, 4, seed) for seed in range(3))
    found = compute(memorisation, samples(real, generated, train))
    assert found["nearest_train_rank"] == pytest.approx(0.5, abs=0.03)
    assert found["copied_share"] == pytest.approx(0.01, abs=0.008)


def test_copies_are_found_and_strangers_are_not() -> None:
    train, real, generated = (normal(1500, 4, seed) for seed in range(3))
    copies = np.concatenate([train[:300], generated[300:]])
    found = compute(memorisation, samples(real, copies, train))
    assert found["copied_share"] == pytest.approx(0.2 + 0.8 * 0.01, abs=0.01)
    assert found["nearest_train_rank"] == pytest.approx(0.8 * 0.5 + 0.2, abs=0.03)
    everything = compute(memorisation, samples(real, train, train))
    assert everything == {"nearest_train_rank": 1, "copied_share": 1}
    assert compute(memorisation, samples(real, generated + 30, train)) == {
        "nearest_train_rank": 0,
        "copied_share": 0,
    }


@pytest.mark.parametrize("share", [0.015, 0.1, 0.5])
def test_copies_are_found_where_held_out_images_are_in_train(share: float) -> None:
    train, real, generated = (normal(1000, 4, seed) for seed in range(3))
    leaked = round(share * len(real))
    real[:leaked] = train[:leaked]
    assert compute(memorisation, samples(real, train, train))["copied_share"] == 1
    nearly = train + 1e-6 * normal(1000, 4, 3)
    assert compute(memorisation, samples(real, nearly, train))["copied_share"] == 1
    assert compute(memorisation, samples(real, generated, train))["copied_share"] == pytest.approx(
        0.01, abs=0.015
    )


def test_held_out_images_that_are_all_in_train_tell_nothing() -> None:
    with pytest.raises(
        Unavailable, match=r"^all held-out images are among those that the model was trained on$"
    ):
        compute(memorisation, samples([1, 0], [0, 5], train=[0, 1, 2]))


def test_closest_pairs_by_hand() -> None:
    pairs = memorisation.closest_pairs(samples([0], [21, 9.5, 4, 0], train=[10, 0, 20]), 3)
    np.testing.assert_array_equal(pairs.generated, [3, 1, 0])
    np.testing.assert_array_equal(pairs.train, [1, 0, 2])
    np.testing.assert_array_equal(pairs.distances, [0, 0.5, 1])


def test_without_train_images_there_is_no_memory() -> None:
    for ask in (memorisation.compute, lambda evidence: memorisation.closest_pairs(evidence, 1)):
        with pytest.raises(
            Unavailable, match=r"^the images that the model was trained on are not known$"
        ):
            ask(samples([0], [1]))
