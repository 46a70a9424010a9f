"""Features in fixed batches, and features once per set of images."""

import os
import shutil
import tracemalloc
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
from genlab.settings.params import FeatureRecipe

SHAPE = (4, 4, 1)


class CountingExtractor:
    """Features are the mean and the largest value; counts how often it is asked."""

    def __init__(self, weights: str = "a", num_classes: int = 2):
        self.settings = {"task": "classes", "weights_sha256": weights * 64}
        self.num_classes = num_classes
        self.calls = 0

    def extract(self, images: np.ndarray) -> Extracted:
        self.calls += 1
        rows = to_float(images).reshape(len(images), -1)
        return Extracted(
            np.stack([rows.mean(axis=1), rows.max(axis=1)], axis=1), np.arange(len(images)) % 2
        )


def check_equal(found: Extracted, expected: Extracted) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


# Fixed batches


def test_every_batch_has_one_size_and_no_filling_comes_back() -> None:
    seen: list[np.ndarray] = []
    starts: list[int] = []

    def double(batch: np.ndarray, start: int) -> list[np.ndarray]:
        seen.append(batch.copy())
        starts.append(start)
        return [batch * 2, batch.sum(axis=1)]

    values = np.arange(1, 11).reshape(5, 2)
    doubled, sums = in_batches(double, values, 3)
    assert [batch.tolist() for batch in seen] == [
        [[1, 2], [3, 4], [5, 6]],
        [[7, 8], [9, 10], [0, 0]],
    ]
    assert starts == [0, 3]
    np.testing.assert_array_equal(doubled, values * 2)
    np.testing.assert_array_equal(sums, [3, 7, 11, 15, 19])


def extractor(image_shape: tuple[int, int, int] = (8, 8, 1)) -> FeatureExtractor:
    keras.utils.set_random_seed(0)
    recipe = FeatureRecipe(feature_dim=5, filters=(3, 4), learning_rate=0.1, batch_size=2, steps=1)
    network = classifier.build_classifier(recipe, image_shape, 3)
    return FeatureExtractor(
        network, {"task": "classes", "num_classes": 3, "weights_sha256": "0" * 64}
    )


def test_features_depend_neither_on_how_many_images_follow_nor_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = random_images(701)
    all_of_them, network = extractor().extract(images), extractor()
    for number in (1, 499, 500, 501):
        check_equal(
            network.extract(images[:number]), Extracted(*(each[:number] for each in all_of_them))
        )
    for size in (7, 64):
        monkeypatch.setattr(classifier, "BATCH_SIZE", size)
        found = extractor().extract(images)
        np.testing.assert_allclose(found.features, all_of_them.features, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found.classes, all_of_them.classes)


def test_memory_mapped_images_are_read_batch_by_batch(tmp_path: Path) -> None:
    shape = (32, 32, 3)
    np.save(tmp_path / "images.npy", np.broadcast_to(np.uint8(7), (20_000, *shape)))  # 61 MB
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    network = extractor(shape)
    network.extract(mapped[:1])
    tracemalloc.start()
    found = cache.extract(network, mapped, tmp_path / "cache")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.features) == 20_000
    assert peak < 25e6  # one batch of 500 as float32 has 6 MB


# The cache


def test_equal_images_are_computed_once(tmp_path: Path) -> None:
    images, network = random_images(6, SHAPE), CountingExtractor()
    first = cache.extract(network, images, tmp_path / "new" / "features")
    again = cache.extract(network, images.copy(), tmp_path / "new" / "features")
    assert network.calls == 1
    check_equal(again, first)
    check_equal(first, CountingExtractor().extract(images))
    assert [
        path.suffix for path in (tmp_path / "new" / "features").iterdir() if path.name != ".lock"
    ] == [".npz"]


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images, network = random_images(3, SHAPE), CountingExtractor()
    for _ in range(2):
        check_equal(cache.extract(network, images, None), CountingExtractor().extract(images))
    assert network.calls == 2
    assert list(tmp_path.iterdir()) == []


def test_any_change_is_another_entry(tmp_path: Path) -> None:
    images = random_images(6, SHAPE)
    one_pixel = images.copy()
    one_pixel[5, 3, 3, 0] ^= 1
    network = CountingExtractor()
    for each in (images, one_pixel, images[::-1], images.reshape(6, 2, 8, 1), images[:5]):
        cache.extract(network, each, tmp_path)
    assert network.calls == 5
    for other in (CountingExtractor("b"), CountingExtractor(num_classes=0)):
        cache.extract(other, images, tmp_path)
        assert other.calls == 1
    assert len(list(tmp_path.glob("*.npz"))) == 7


def test_other_code_or_another_tensorflow_finds_no_old_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, network = random_images(3, SHAPE), CountingExtractor()
    package = shutil.copytree(code.PACKAGE, tmp_path / "genlab")
    monkeypatch.setattr(code, "PACKAGE", package)
    cache.extract(network, images, tmp_path)
    cache.extract(network, images, tmp_path)
    assert network.calls == 1
    for calls, path in enumerate(code.files("features"), start=2):
        path.write_text(path.read_text() + "# changed\n")
        cache.extract(network, images, tmp_path)
        assert network.calls == calls
    monkeypatch.setattr(tf, "__version__", "0")
    cache.extract(network, images, tmp_path)
    assert network.calls == 6


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF  # in the features
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def shorten(path: Path) -> None:
    np.savez(path, features=np.zeros((2, 2), np.float32), classes=np.zeros(2, np.int64))


def rename(path: Path) -> None:
    np.savez(path, other=np.zeros(2))


def flip_compressed(path: Path) -> None:
    with np.load(path) as arrays:
        kept = dict(arrays)
    np.savez_compressed(path, **kept)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK", 4) // 2] ^= 0xFF  # in the middle of the features: zlib.error
    path.write_bytes(content)


def ask_for_another_version(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = (
        0xFF  # of ZIP, in the directory: NotImplementedError
    )
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage", [flip, cut, empty, shorten, rename, flip_compressed, ask_for_another_version]
)
def test_a_damaged_entry_is_computed_anew(tmp_path: Path, damage: object) -> None:
    images, network = random_images(64, SHAPE), CountingExtractor()
    expected = cache.extract(network, images, tmp_path)
    (path,) = tmp_path.glob("*.npz")
    damage(path)  # type: ignore[operator]
    check_equal(cache.extract(network, images, tmp_path), expected)
    assert network.calls == 2
    check_equal(cache.extract(network, images, tmp_path), expected)
    assert network.calls == 2


def test_the_longest_unused_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [random_images(50, SHAPE, seed) for seed in range(4)]
    network = CountingExtractor()
    for age, images in zip((300, 200, 100), sets, strict=False):
        before = set(tmp_path.glob("*.npz"))
        cache.extract(network, images, tmp_path)
        (path,) = set(tmp_path.glob("*.npz")) - before
        past = path.stat().st_mtime - age
        os.utime(path, (past, past))
    size = path.stat().st_size
    cache.extract(network, sets[0], tmp_path)  # used just now
    monkeypatch.setattr(cache, "MAX_BYTES", 3 * size)
    cache.extract(network, sets[3], tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 3
    assert network.calls == 4
    for images in (sets[0], sets[2], sets[3]):
        cache.extract(network, images, tmp_path)
    assert network.calls == 4
    cache.extract(network, sets[1], tmp_path)
    assert network.calls == 5


def test_one_entry_larger_than_the_bound_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 1)
    for seed in range(2):
        cache.extract(CountingExtractor(), random_images(5, SHAPE, seed), tmp_path)
        assert len(list(tmp_path.glob("*.npz"))) == 1


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    images, network = random_images(3, SHAPE), CountingExtractor()
    check_equal(
        cache.extract(network, images, tmp_path / "file" / "features"),
        CountingExtractor().extract(images),
    )
    assert "cannot keep them" in capsys.readouterr().err
