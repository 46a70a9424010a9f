"""Features in fixed batches, and features once per set of images."""

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images

from genlab.features import cache, classifier
from genlab.features.classifier import FeatureExtractor
from genlab.features.extractor import Extracted
from genlab.imaging.arrays import to_float
from genlab.numerics.batches import in_batches
from genlab.settings import code
from genlab.settings.judges import FeatureRecipe

SHAPE = (4, 4, 1)
IMAGES = random_images(64, SHAPE)


class CountingExtractor:
    """Features are the mean and the largest value; counts how often it is asked."""

    def __init__(self, weights: str = "a", num_classes: int = 2):
        self.settings = {"task": "classes", "weights_sha256": weights * 64}
        self.num_classes = num_classes
        self.calls = 0

    def extract(self, images: np.ndarray) -> Extracted:
        self.calls += 1
        rows = to_float(images).reshape(len(images), -1)
        features = np.stack([rows.mean(axis=1), rows.max(axis=1)], axis=1)
        return Extracted(features, np.arange(len(images)) % 2)


@pytest.fixture
def network() -> CountingExtractor:
    return CountingExtractor()


def check_equal(extracted: Extracted, expected: Extracted) -> None:
    for one, other in zip(extracted, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


# Fixed batches


def test_every_batch_has_one_size_and_no_filling_comes_back() -> None:
    batches: list[np.ndarray] = []

    def double(batch: np.ndarray, start: int) -> list[np.ndarray]:
        batches.append(batch + 100 * start)
        return [batch * 2, batch.sum(axis=1)]

    values = np.arange(1, 11).reshape(5, 2)
    doubled, sums = in_batches(double, values, 3)
    assert batches[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert batches[1].tolist() == [[307, 308], [309, 310], [300, 300]]
    np.testing.assert_array_equal(doubled, values * 2)
    np.testing.assert_array_equal(sums, [3, 7, 11, 15, 19])


def classifier_of(image_shape: tuple[int, int, int] = (8, 8, 1)) -> FeatureExtractor:
    keras.utils.set_random_seed(0)
    recipe = FeatureRecipe(feature_dim=5, filters=(3, 4), learning_rate=0.1, batch_size=2, steps=1)
    facts = {"task": "classes", "num_classes": 3, "weights_sha256": "0" * 64}
    return FeatureExtractor(classifier.build_classifier(recipe, image_shape, 3), facts)


def test_features_depend_neither_on_how_many_images_follow_nor_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = random_images(701)
    whole = classifier_of().extract(images)
    for number in (1, 499, 500, 501):
        first = Extracted(whole.features[:number], whole.classes[:number])
        check_equal(classifier_of().extract(images[:number]), first)
    for size in (7, 64):
        monkeypatch.setattr(classifier, "BATCH_SIZE", size)
        extracted = classifier_of().extract(images)
        np.testing.assert_allclose(extracted.features, whole.features, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(extracted.classes, whole.classes)


def test_memory_mapped_images_are_read_batch_by_batch(tmp_path: Path) -> None:
    shape = (32, 32, 3)
    np.save(tmp_path / "images.npy", np.broadcast_to(np.uint8(7), (20_000, *shape)))  # 61 MB
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    network = classifier_of(shape)
    network.extract(mapped[:1])
    tracemalloc.start()
    extracted = cache.extract(network, mapped, tmp_path / "cache")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(extracted.features) == 20_000
    assert peak < 25e6  # one batch of 500 as float32 has 6 MB


# The cache


def test_equal_images_are_computed_once(network: CountingExtractor, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "features"
    first = cache.extract(network, IMAGES, folder)
    again = cache.extract(network, IMAGES.copy(), folder)
    assert network.calls == 1
    check_equal(again, first)
    check_equal(first, CountingExtractor().extract(IMAGES))
    assert {path.suffix or path.name for path in folder.iterdir()} == {".npz", ".lock"}


def test_without_a_folder_nothing_is_kept(
    network: CountingExtractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        check_equal(cache.extract(network, IMAGES, None), CountingExtractor().extract(IMAGES))
    assert network.calls == 2
    assert list(tmp_path.iterdir()) == []


def test_any_change_is_another_entry(network: CountingExtractor, tmp_path: Path) -> None:
    one_pixel = IMAGES.copy()
    one_pixel[5, 3, 3, 0] ^= 1
    others = (one_pixel, IMAGES[::-1], IMAGES.reshape(64, 2, 8, 1), IMAGES[:5])
    for images in (IMAGES, *others):
        cache.extract(network, images, tmp_path)
    assert network.calls == 5
    for other in (CountingExtractor("b"), CountingExtractor(num_classes=0)):
        cache.extract(other, IMAGES, tmp_path)
        assert other.calls == 1
    assert len(list(tmp_path.glob("*.npz"))) == 7


def test_other_code_or_another_tensorflow_finds_no_old_entry(
    network: CountingExtractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = shutil.copytree(code.PACKAGE, tmp_path / "genlab")
    monkeypatch.setattr(code, "PACKAGE", package)
    changes = [package / name for name in ("features/classifier.py", "numerics/batches.py")]
    for calls, path in enumerate(changes, start=1):
        for _ in range(2):
            cache.extract(network, IMAGES, tmp_path)
            assert network.calls == calls
        path.write_text(path.read_text() + "# changed\n")
    cache.extract(network, IMAGES, tmp_path)
    monkeypatch.setattr(tf, "__version__", "0")
    cache.extract(network, IMAGES, tmp_path)
    assert network.calls == 4


def overwrite(path: Path, place: int, content: bytes) -> None:
    before = path.read_bytes()
    path.write_bytes(before[:place] + content + before[place + len(content) :])


def compress_and_flip(path: Path) -> None:
    with np.load(path) as arrays:
        np.savez_compressed(path, **dict(arrays))
    place = path.read_bytes().index(b"PK", 4) // 2  # in the middle of the features: zlib.error
    overwrite(path, place, bytes([path.read_bytes()[place] ^ 0xFF]))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped": lambda path: overwrite(path, path.stat().st_size // 4, b"flipped"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "short": lambda path: np.savez(path, features=np.zeros((2, 2)), classes=np.zeros(2)),
    "compressed": compress_and_flip,
    # Of ZIP's version in the directory: NotImplementedError.
    "version": lambda path: overwrite(path, path.read_bytes().index(b"PK\x01\x02") + 6, b"\xff"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entry_is_computed_again(
    network: CountingExtractor, tmp_path: Path, damage: str
) -> None:
    expected = cache.extract(network, IMAGES, tmp_path)
    (path,) = tmp_path.glob("*.npz")
    DAMAGES[damage](path)
    for _ in range(2):
        check_equal(cache.extract(network, IMAGES, tmp_path), expected)
        assert network.calls == 2


def test_longest_unused_are_removed(
    network: CountingExtractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = [random_images(50, SHAPE, seed) for seed in range(4)]
    for age, images in zip((300, 200, 100), sets, strict=False):
        before = set(tmp_path.glob("*.npz"))
        cache.extract(network, images, tmp_path)
        (path,) = set(tmp_path.glob("*.npz")) - before
        past = path.stat().st_mtime - age
        os.utime(path, (past, past))
    cache.extract(network, sets[0], tmp_path)  # used just now
    monkeypatch.setattr(cache, "MAX_BYTES", 3 * path.stat().st_size)
    cache.extract(network, sets[3], tmp_path)
    for images in (sets[0], sets[2], sets[3]):
        cache.extract(network, images, tmp_path)
    assert network.calls == 4
    cache.extract(network, sets[1], tmp_path)
    assert network.calls == 5
    monkeypatch.setattr(cache, "MAX_BYTES", 1)
    cache.extract(network, IMAGES, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 1, "the newest stays, however large"


def test_folder_that_is_not_writable_costs_only_time(
    network: CountingExtractor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    extracted = cache.extract(network, IMAGES, tmp_path / "file" / "features")
    check_equal(extracted, CountingExtractor().extract(IMAGES))
    assert "is not writable" in capsys.readouterr().err
