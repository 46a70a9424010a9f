"""Metrics that measure several parts of the generated images at once, against one by one."""

from types import ModuleType

import numpy as np
import pytest

from genlab.contract.evidence import Samples, without_generated
from genlab.settings import params, plugins

MODULES = [plugins.find("metrics", name, "tests") for name in plugins.names("metrics")]
AT_ONCE = [module for module in MODULES if hasattr(module, "compute_parts")]
SETTINGS = {
    "density_coverage": {"num_neighbours": 5},
    "kernel_distance": {"num_subsets": 4, "subset_size": 60},
    "precision_recall": {"num_neighbours": 3},
}
SIZE, DIMENSIONS = 240, 5


def normal(number: int, seed: int) -> np.ndarray:
    features = np.random.default_rng(seed).normal(size=(number, DIMENSIONS))
    return features.astype(np.float32)


def images(number: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(number, 16, 16, 1)).astype(np.uint8)


GENERATED = {
    "other images": normal(SIZE, 1) * 1.1,
    "ten images again and again": np.repeat(normal(10, 2), SIZE // 10, axis=0),
    "one image": np.repeat(normal(1, 3), SIZE, axis=0),
    "the real ones": normal(200, 0)[np.arange(SIZE) % 200],
    "far apart": normal(SIZE, 4) * 100,
}


def evidence(generated: np.ndarray) -> Samples:
    classes = np.arange(200) % 2, np.arange(SIZE) % 3 // 2
    train = normal(150, 5), images(150, 5)
    pictures = np.concatenate([images(120, 6), train[1][:60], images(60, 6)])
    features = normal(200, 0), generated
    return Samples(
        *features, *classes, 2, train[0], 7, generated_images=pictures, train_images=train[1]
    )


def parts() -> np.ndarray:
    """Returns ten random blocks left out, half of the images, and those of one side."""
    blocks = np.random.default_rng(8).permutation(SIZE) % 10
    places = np.arange(SIZE)
    return np.concatenate(
        [blocks != np.arange(10)[:, np.newaxis], [places % 2 == 0, places < SIZE // 2]]
    )


PIXELS = ("pixel_copies", "repetitions")
"""Metrics to which all features are equal."""
CASES = {
    f"{name}, {generated}": (module, generated)
    for module in AT_ONCE
    for name in [module.__name__.split(".")[-1]]
    for generated in (list(GENERATED)[:1] if name in PIXELS else GENERATED)
}


@pytest.mark.parametrize(("module", "name"), CASES.values(), ids=CASES)
def test_parts_at_once_have_the_numbers_of_each_measured_anew(
    module: ModuleType, name: str
) -> None:
    whole, kept = evidence(GENERATED[name]), parts()
    given: tuple = ()
    if hasattr(module, "Settings"):
        entry = SETTINGS[module.__name__.split(".")[-1]]
        given = (params.build_section(module.Settings, entry, "tests"),)
    found = module.compute_parts(whole, *given, kept)
    for part, values in zip(kept, found, strict=True):
        alone = module.compute(without_generated(whole, np.flatnonzero(~part)), *given)
        assert values == pytest.approx(alone, rel=1e-10, abs=1e-10)
        assert {type(value) for value in values.values()} == {float}


def test_the_metrics_of_neighbours_kernels_and_copies_measure_parts_at_once() -> None:
    names = {module.__name__.split(".")[-1] for module in AT_ONCE}
    assert names >= {"density_coverage", "kernel_distance", "precision_recall", "memorisation"}
