"""Stage `fetch`: what it writes, how it splits, and that nothing is half-written."""

import errno
import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from file_server import FileServer, write_pictures
from fixtures_models import contents
from picture_trees import tree, write_zip
from PIL import Image

from genlab.contract.fields import Field, read_arrays, read_spec
from genlab.data import idx, splits
from genlab.datasets import digits, mnist
from genlab.imaging.arrays import (
    SPLITS,
    Split,
    digest,
    held_out_labels,
    part_outliers,
    read_description,
    read_split,
)
from genlab.runtime import downloads
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.stages import fetch

ChangeData = Callable[..., Params]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0.01)


def run(params: Params, out: str) -> dict[str, Split]:
    fetch.run(params, Path(out))
    return {split: read_split(Path(out), split) for split in SPLITS}


def refusal(params: Params) -> InputError:
    with pytest.raises(InputError) as caught:
        fetch.run(params, Path("out"))
    return caught.value


def image_set(part: Split) -> set[bytes]:
    return {image.tobytes() for image in part.images}


def test_digits_as_they_are_written(params: Params) -> None:
    parts = run(params, "data/images")
    counts = {split: len(part.labels) for split, part in parts.items()}
    assert (sum(counts.values()), counts["test"]) == (1797, 360)
    assert 100 < counts["validation"] < 190  # 143.7 expected
    train = parts["train"]
    assert isinstance(train.images, np.memmap)
    assert (train.images.dtype, train.labels.dtype) == (np.uint8, np.int64)
    description = read_description(Path("data/images"))
    assert (
        description.items()
        >= {
            "name": "digits",
            "image_shape": [8, 8, 1],
            "class_names": list("0123456789"),
            "held_out_classes": [],
            "num_images": counts,
            "sha256": digest(*(array for part in parts.values() for array in part)),
            "licence": "CC BY 4.0",
        }.items()
    )
    assert read_spec(Path("data/images")) == digits.FIELDS
    assert sorted(path.name for path in Path("data").iterdir()) == ["images"]
    sets = [image_set(part) for part in parts.values()]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 1797


def test_same_seed_same_bytes_and_another_seed_another_split(params: Params) -> None:
    one, _, other = (
        run(params.model_copy(update={"seed": seed}), out)
        for out, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert contents(Path("a")) == contents(Path("b"))
    for split in ("validation", "test"):
        assert image_set(one[split]) != image_set(other[split])


def test_held_out_classes_stay_in_test_alone(params: Params, change_data: ChangeData) -> None:
    whole, parts = run(params, "all"), run(change_data(held_out_classes=("3", "8")), "out")
    for split in ("train", "validation"):
        rows = ~np.isin(whole[split].labels, [3, 8])
        np.testing.assert_array_equal(parts[split].images, whole[split].images[rows])
        np.testing.assert_array_equal(parts[split].labels, whole[split].labels[rows])
    np.testing.assert_array_equal(parts["test"].images, whole["test"].images)
    description, before = read_description(Path("out")), read_description(Path("all"))
    assert description["class_names"] == list("0123456789"), "labels mean what they meant"
    assert description["num_images"]["train"] == len(parts["train"].labels)
    assert description["sha256"] != before["sha256"]
    assert held_out_labels(description) == [3, 8]
    inliers, outliers = part_outliers(parts["test"], description)
    assert set(outliers.labels.tolist()) == {3, 8}
    assert not {3, 8} & set(inliers.labels.tolist())
    assert len(inliers.images) + len(outliers.images) == 360
    rows = np.isin(parts["test"].labels, [3, 8])
    np.testing.assert_array_equal(outliers.images, parts["test"].images[rows])
    assert part_outliers(whole["test"], before)[1].images.shape == (0, 8, 8, 1)


@pytest.mark.parametrize("held_out", [("thre",), ("3", "3"), tuple("012345678")])
def test_bad_held_out_classes_are_refused(
    change_data: ChangeData, held_out: tuple[str, ...]
) -> None:
    error = refusal(change_data(held_out_classes=held_out))
    assert error.received == ", ".join(map(repr, held_out))
    assert "classes of digits (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)" in error.expected
    assert error.where == "See params.yaml: data.held_out_classes"
    assert not Path("out").exists()


def test_plain_class_folders_keep_their_data_hash(change_data: ChangeData) -> None:
    write_pictures(Path("own"))
    fetch.run(change_data(name="image_folder", directory="own"), Path("out"))
    expected = "ad10c576eac4e13df408f1fee2d2374bacd686aaac1476a0661dea6a5b48191d"
    assert read_description(Path("out"))["sha256"] == expected


def test_own_splits_and_factors_are_written(change_data: ChangeData) -> None:
    sizes = {"train": 20, "val": 6, "test": 8}
    names = [f"{split}/{number}.png" for split, size in sizes.items() for number in range(size)]
    lines = [f"{name},{'abc'[n % 3]},{n}" for n, name in enumerate(names)]
    table = "\n".join(["file_name,label,number", *lines]).encode()
    write_zip(tree(names) | {"metadata.csv": table}, Path("own"))
    settings = {"name": "image_folder", "directory": "own.zip", "channels": 1}
    fetch.run(change_data(**settings, held_out_classes=("b",)), Path("out"))
    spec, description = read_spec(Path("out")), read_description(Path("out"))
    assert spec["factors"] == Field((1,), "factors", ("number",))
    assert description["num_images"] == {"train": 13, "validation": 4, "test": 8}
    for split in SPLITS:
        part = read_arrays(Path("out"), split, spec)
        np.testing.assert_array_equal(part["factors"][:, 0], part["images"][:, 0, 0, 0])
        assert (1 in part["labels"]) == (split == "test")


def test_every_class_needs_images_in_train(change_data: ChangeData) -> None:
    generator = np.random.default_rng(0)
    for number in range(40):
        path = Path("own", "usual" if number else "rare", f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    params = change_data(name="image_folder", directory="own")
    refused = 0
    for seed in range(12):
        try:
            fetch.run(params.model_copy(update={"seed": seed}), Path("out"))
        except InputError as error:
            refused += error.received == "none of 'rare'"
    assert 0 < refused < 12  # 0.28 of the seeds


def test_unknown_data_set_is_refused_with_the_list(change_data: ChangeData) -> None:
    error = refusal(change_data(name="mnits"))
    assert (
        "cifar10, digits, fashion_mnist, hugging_face, image_folder, kmnist, mnist, photo"
        in error.expected
    )
    assert error.expected.endswith(" (nearest: 'mnist')")
    assert error.received == "'mnits'"


# Files from elsewhere


def archives(num_train: int = 60, lie: int = 0) -> dict[str, bytes]:
    """Returns the files of a small data set like MNIST; a header promises `lie` images too many."""
    generator, content = np.random.default_rng(0), []
    for count, promised in ((num_train, num_train + lie), (20, 20)):
        header = bytes((0, 0, 8, 3)) + struct.pack(">3I", promised, 28, 28)
        content.append(header + generator.bytes(count * 28 * 28))
        labels = bytes(number % 10 for number in range(count))
        content.append(bytes((0, 0, 8, 1)) + struct.pack(">I", count) + labels)
    return dict(zip(idx.NAMES, map(gzip.compress, content), strict=True))


Publish = Callable[[dict[str, bytes]], None]


@pytest.fixture
def publish(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Returns a function that makes `mnist` these files, on the local server."""

    def publish(files: dict[str, bytes]) -> None:
        sums = [hashlib.sha256(content).hexdigest() for content in files.values()]
        mirrors = [f"{server.address}/a/", f"{server.address}/b/"]
        monkeypatch.setattr(mnist, "FILES", idx.remote_files(sums, mirrors))
        server.files = {f"/b/{name}": content for name, content in files.items()}

    return publish


def test_a_downloaded_data_set_is_kept_beside_the_output(
    publish: Publish, server: FileServer, change_data: ChangeData
) -> None:
    publish(archives())
    parts = run(change_data(name="mnist"), "out")
    assert sum(len(part.images) for part in parts.values()) == 80
    server.files = {}
    fetch.run(change_data(name="mnist"), Path("again"))
    assert contents(Path("out")) == contents(Path("again"))
    names = {path.name for path in Path("data/downloads/mnist").iterdir()}
    assert names == {*idx.NAMES, ".lock"}


def test_what_cannot_be_fetched_leaves_the_old_output_as_it_was(
    publish: Publish, server: FileServer, change_data: ChangeData
) -> None:
    publish(archives())
    fetch.run(change_data(name="mnist"), Path("out"))
    before = contents(Path("out"))
    publish(archives(num_train=70, lie=1))
    assert refusal(change_data(name="mnist")).received == "54880"
    server.files["/b/train-images-idx3-ubyte.gz"] = b"damaged"
    Path("data/downloads/mnist/train-images-idx3-ubyte.gz").unlink()
    received = refusal(change_data(name="mnist")).received
    assert "(HTTP status 404); " in received
    assert "sha256 must be" in received
    assert contents(Path("out")) == before
    assert sorted(path.name for path in Path().iterdir()) == ["data", "out"]


def test_an_old_output_is_replaced_as_a_whole(params: Params, change_data: ChangeData) -> None:
    fetch.run(change_data(name="photo_patches"), Path("out"))
    Path("out/train_leftover.npy").write_text("old")
    fetch.run(params, Path("out"))
    assert read_description(Path("out"))["name"] == "digits"
    assert not Path("out/train_leftover.npy").exists()


def test_a_write_that_fails_leaves_nothing(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*values: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(splits, "write_array_header_1_0", fail)
    with pytest.raises(OSError, match="No space left"):
        fetch.run(params, Path("data/images"))
    assert list(Path("data").iterdir()) == []
