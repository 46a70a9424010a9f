"""Stage `fetch`: what it writes, how it splits, and that nothing is half-written."""

import errno
import gzip
import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import FileServer
from genlab.data import downloads, splitting
from genlab.data.declaration import remote_files
from genlab.datasets import mnist
from genlab.imaging.arrays import (
    SPLITS,
    digest,
    held_out_labels,
    part_outliers,
    read_description,
    read_split,
)
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.stages import fetch

ChangeData = Callable[..., Params]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0.01)


def image_set(out: Path, split: str) -> set[bytes]:
    return {image.tobytes() for image in read_split(out, split).images}


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_digits_as_they_are_written(params: Params) -> None:
    out = Path("data/images")
    fetch.run(params, out)
    splits = {split: read_split(out, split) for split in SPLITS}
    counts = {split: len(part.labels) for split, part in splits.items()}
    assert sum(counts.values()) == 1797
    assert counts["test"] == 360
    assert 100 < counts["validation"] < 190  # 143.7 expected
    assert isinstance(splits["train"].images, np.memmap)
    assert splits["train"].images.dtype == np.uint8
    assert splits["train"].labels.dtype == np.int64
    assert read_description(out) == {
        "name": "digits",
        "image_shape": [8, 8, 1],
        "class_names": list("0123456789"),
        "held_out_classes": [],
        "num_images": counts,
        "sha256": digest(*(array for split in SPLITS for array in splits[split])),
        "licence": "CC BY 4.0",
        "citation": read_description(out)["citation"],
    }
    assert sorted(path.name for path in Path("data").iterdir()) == ["images"]


def test_splits_share_no_image(params: Params) -> None:
    fetch.run(params, Path("out"))
    sets = [image_set(Path("out"), split) for split in SPLITS]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 1797


def test_same_seed_same_bytes_and_another_seed_another_split(params: Params) -> None:
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        fetch.run(params.model_copy(update={"seed": seed}), Path(out))
    assert everything(Path("a")) == everything(Path("b"))
    assert image_set(Path("a"), "test") != image_set(Path("c"), "test")
    assert image_set(Path("a"), "validation") != image_set(Path("c"), "validation")


def test_chosen_meets_its_share_and_does_not_depend_on_other_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4000, 8, 8, 1), np.uint8)
    first = np.array([splitting.chosen(image, 0.25, seed=3) for image in images])
    assert abs(first.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    expected = hashlib.sha256((3).to_bytes(4, "big") + images[0].tobytes()).digest()[:8]
    assert first[0] == (int.from_bytes(expected, "big") / 2**64 < 0.25)
    larger = np.array([splitting.chosen(image, 0.5, seed=3) for image in images])
    assert np.all(larger[first])
    other = np.array([splitting.chosen(image, 0.25, seed=4) for image in images])
    assert 0.1 < (first & other).mean() / first.mean() < 0.4  # 0.25 when independent


def test_held_out_classes_stay_in_test_alone(params: Params, change_data: ChangeData) -> None:
    fetch.run(params, Path("all"))
    fetch.run(change_data(held_out_classes=("3", "8")), Path("out"))
    whole, splits = (
        {split: read_split(Path(out), split) for split in SPLITS} for out in ("all", "out")
    )
    for split in ("train", "validation"):
        kept = ~np.isin(whole[split].labels, [3, 8])
        np.testing.assert_array_equal(splits[split].images, whole[split].images[kept])
        np.testing.assert_array_equal(splits[split].labels, whole[split].labels[kept])
    np.testing.assert_array_equal(splits["test"].images, whole["test"].images)
    description = read_description(Path("out"))
    assert description["held_out_classes"] == ["3", "8"]
    assert description["class_names"] == list("0123456789"), "labels mean what they meant"
    assert description["num_images"]["train"] == len(splits["train"].labels)
    assert description["sha256"] != read_description(Path("all"))["sha256"]
    assert held_out_labels(description) == [3, 8]
    inliers, outliers = part_outliers(splits["test"], description)
    assert set(outliers.labels.tolist()) == {3, 8}
    assert not {3, 8} & set(inliers.labels.tolist())
    assert len(inliers.images) + len(outliers.images) == 360
    np.testing.assert_array_equal(
        outliers.images, splits["test"].images[np.isin(splits["test"].labels, [3, 8])]
    )
    nothing = part_outliers(whole["test"], read_description(Path("all")))[1]
    assert nothing.images.shape == (0, 8, 8, 1)


@pytest.mark.parametrize(
    ("held_out", "received"),
    [
        (("thre",), "'thre'"),
        (("3", "3"), "'3', '3'"),
        (tuple("012345678"), "'0', '1', '2', '3', '4', '5', '6', '7', '8'"),
    ],
)
def test_bad_held_out_classes_are_refused(
    change_data: ChangeData, held_out: tuple[str, ...], received: str
) -> None:
    with pytest.raises(InputError) as caught:
        fetch.run(change_data(held_out_classes=held_out), Path("out"))
    assert str(caught.value) == (
        "held_out_classes must be different classes of digits (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), and leave two. "
        f"Received: {received}. See params.yaml: data.held_out_classes."
    )
    assert not Path("out").exists()


def write_pictures(numbers: range) -> None:
    Path("own").mkdir(exist_ok=True)
    for number in numbers:
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)).save(
            f"own/{number}.png"
        )


def test_adding_pictures_moves_no_other(change_data: ChangeData) -> None:
    params = change_data(name="image_folder", directory="own")
    write_pictures(range(60))
    fetch.run(params, Path("before"))
    write_pictures(range(60, 80))
    fetch.run(params, Path("after"))
    for split in SPLITS:
        assert image_set(Path("before"), split) <= image_set(Path("after"), split)
    assert read_description(Path("after"))["class_names"] == []
    assert set(read_split(Path("after"), "train").labels.tolist()) == {-1}


def test_every_split_needs_images(change_data: ChangeData) -> None:
    write_pictures(range(3))
    with pytest.raises(
        InputError,
        match=r"^image_folder must have at least 2 images for every split\. Received: 3, [01] of",
    ):
        fetch.run(change_data(name="image_folder", directory="own"), Path("out"))
    assert not Path("out").exists()


def test_every_class_needs_images_in_train(change_data: ChangeData) -> None:
    write_pictures(range(40))
    for path in list(Path("own").glob("*.png")):
        folder = Path("own/rare" if path.name == "0.png" else "own/usual")
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    params = change_data(name="image_folder", directory="own")
    refused = 0
    for seed in range(12):
        try:
            fetch.run(params.model_copy(update={"seed": seed}), Path("out"))
        except InputError as error:
            refused += (
                "image_folder must have images of every class in train. Received: none of 'rare'."
                in str(error)
            )
    assert 0 < refused < 12  # 0.28 of the seeds


def test_unknown_data_set_is_refused_with_the_list(change_data: ChangeData) -> None:
    with pytest.raises(InputError) as caught:
        fetch.run(change_data(name="mnits"), Path("out"))
    assert str(caught.value) == (
        "params.yaml: data.name must be one of cifar10, digits, fashion_mnist, image_folder, kmnist, mnist, "
        "photo_patches (nearest: 'mnist'). Received: 'mnits'. See params.yaml: data.name."
    )


def archives(num_train: int = 60, lie: int = 0) -> dict[str, bytes]:
    """Returns the four files of a small data set like MNIST; its train header promises `lie` images too many."""
    generator, content = np.random.default_rng(0), {}
    for prefix, count, promised in (("train", num_train, num_train + lie), ("t10k", 20, 20)):
        images = generator.bytes(count * 28 * 28)
        labels = bytes(number % 10 for number in range(count))
        header = bytes((0, 0, 8, 3)) + struct.pack(">3I", promised, 28, 28)
        content[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(header + images)
        label_header = bytes((0, 0, 8, 1)) + struct.pack(">I", count)
        content[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(label_header + labels)
    return content


@pytest.fixture
def publish(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, bytes]], None]:
    """Returns a function that makes `mnist` these files, on the local server."""

    def publish(files: dict[str, bytes]) -> None:
        sums = {
            name: "sha256:" + hashlib.sha256(content).hexdigest() for name, content in files.items()
        }
        monkeypatch.setattr(
            mnist, "FILES", remote_files(sums, [f"{server.address}/a/", f"{server.address}/b/"])
        )
        server.files = {f"/b/{name}": content for name, content in files.items()}

    return publish


def test_a_downloaded_data_set_is_kept_beside_the_output(
    publish: Callable[..., None], server: FileServer, change_data: ChangeData
) -> None:
    publish(archives())
    fetch.run(change_data(name="mnist"), Path("out"))
    assert sum(read_description(Path("out"))["num_images"].values()) == 80
    server.files = {}
    fetch.run(change_data(name="mnist"), Path("again"))  # from data/downloads/mnist
    assert everything(Path("out")) == everything(Path("again"))
    assert (Path("data/downloads/mnist") / "t10k-labels-idx1-ubyte.gz").is_file()


def test_what_cannot_be_fetched_leaves_the_old_output_as_it_was(
    publish: Callable[..., None], server: FileServer, change_data: ChangeData
) -> None:
    publish(archives())
    fetch.run(change_data(name="mnist"), Path("out"))
    before = everything(Path("out"))
    publish(archives(num_train=70, lie=1))
    with pytest.raises(
        InputError, match=r"must hold 71 x 28 x 28 = 55664 bytes after its header\. Received: 54880"
    ):
        fetch.run(change_data(name="mnist"), Path("out"))
    server.files["/b/train-images-idx3-ubyte.gz"] = b"damaged"
    Path("data/downloads/mnist/train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(
        InputError, match=r"\(HTTP status 404\); .*sha256 must be \w{64}, received \w{64}"
    ):
        fetch.run(change_data(name="mnist"), Path("out"))
    assert everything(Path("out")) == before
    assert sorted(path.name for path in Path().iterdir()) == ["data", "out"]


def test_an_old_output_is_replaced_as_a_whole(params: Params, change_data: ChangeData) -> None:
    fetch.run(change_data(name="photo_patches"), Path("out"))
    Path("out/leftover.txt").write_text("old")
    fetch.run(params, Path("out"))
    assert read_description(Path("out"))["name"] == "digits"
    assert not Path("out/leftover.txt").exists()


def test_a_write_that_fails_leaves_nothing(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*values: object, **settings: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        fetch.run(params, Path("data/images"))
    assert list(Path("data").iterdir()) == []


def test_real_mnist(
    mnist_mirror: str, change_data: ChangeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_DATA_MIRROR", mnist_mirror)
    fetch.run(change_data(name="mnist"), Path("out"))
    counts = json.loads(Path("out/dataset.json").read_text())["num_images"]
    assert counts["train"] + counts["validation"] == 60_000
    assert counts["test"] == 10_000
    assert abs(counts["validation"] - 6000) < 4 * np.sqrt(60_000 * 0.1 * 0.9)
    labels = np.concatenate(
        [read_split(Path("out"), split).labels for split in ("train", "validation")]
    )
    assert np.bincount(labels).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert np.bincount(read_split(Path("out"), "test").labels)[:3].tolist() == [980, 1135, 1032]
    sets = [image_set(Path("out"), split) for split in SPLITS]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 70_000  # no image twice
    train = read_split(Path("out"), "train").images
    validation = read_split(Path("out"), "validation").images
    mean = (train.sum(dtype=np.int64) + validation.sum(dtype=np.int64)) / (60_000 * 784 * 255)
    assert mean == pytest.approx(0.1307, abs=5e-5)  # the value in common use
