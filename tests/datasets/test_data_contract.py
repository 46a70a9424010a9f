"""What every file in `data/` offers, and what each of them reads: known bytes, counts and splits."""

import gzip
import io
import re
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import write_pictures
from genlab.data import idx
from genlab.data.declaration import Profile
from genlab.datasets import cifar10, digits, mnist, photo_patches
from genlab.imaging.arrays import Split
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Params

NAMES = plugins.names("datasets")
LIKE_MNIST = ("fashion_mnist", "kmnist", "mnist")
ChangeData = Callable[..., Params]


def idx_bytes(values: np.ndarray) -> bytes:
    return (
        bytes((0, 0, 8, values.ndim))
        + struct.pack(f">{values.ndim}I", *values.shape)
        + values.tobytes()
    )


def write_mnist_like(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for prefix, num_images in (("train", 40), ("t10k", 20)):
        images = generator.integers(0, 256, (num_images, 28, 28), np.uint8)
        labels = np.arange(num_images, dtype=np.uint8) % 10
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))


def cifar_record(label: int, red: int, green: int, blue: int, first: int) -> bytes:
    """Returns a picture of one colour, whose first pixel in the second row has another red."""
    record = bytearray([label, *[red] * 1024, *[green] * 1024, *[blue] * 1024])
    record[1 + 32] = first
    return bytes(record)


def write_cifar(folder: Path, records: bytes, names: list[str] | None = None) -> None:
    names = names or [name for members in cifar10.MEMBERS.values() for name in members]
    with tarfile.open(folder / cifar10.ARCHIVE, "w:gz") as archive:
        for name in ["../outside.bin", *names]:
            member = tarfile.TarInfo(name)
            member.size = len(records)
            archive.addfile(member, io.BytesIO(records))


@pytest.fixture
def read(tmp_path: Path, change_data: ChangeData) -> Callable[..., dict[str, Split]]:
    """Returns a function that reads a data set, small stand-ins where it would have to be downloaded."""

    def read(name: str, seed: int = 0) -> dict[str, Split]:
        if name in LIKE_MNIST:
            write_mnist_like(tmp_path)
        if name == "cifar10":
            write_cifar(
                tmp_path, b"".join(cifar_record(label, label, 5, 6, 7) for label in range(10))
            )
        if name == "image_folder":
            write_pictures(tmp_path / "own")
        data = change_data(name=name, directory=str(tmp_path / "own")).data
        return plugins.find("datasets", name, "here").read(tmp_path, data, seed)

    return read


@pytest.mark.parametrize("name", NAMES)
def test_offers_what_the_contract_asks(name: str) -> None:
    dataset = plugins.find("datasets", name, "here")
    assert dataset.__doc__
    assert dataset.LICENCE
    assert dataset.CITATION
    assert isinstance(dataset.PROFILE, Profile)
    for file in dataset.FILES:
        assert len(file.addresses) >= 2
        assert all(address.startswith(("https://", "http://")) for address in file.addresses)
        assert all(address.endswith("/" + file.name) for address in file.addresses)
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.checksum)
    if dataset.FILES:
        assert dataset.PROFILE.num_images
        assert dataset.PROFILE.num_test


@pytest.mark.parametrize("name", NAMES)
def test_reads_uint8_splits_that_depend_on_the_seed_alone(
    name: str, read: Callable[..., dict[str, Split]]
) -> None:
    dataset, splits = plugins.find("datasets", name, "here"), read(name)
    assert list(splits) == ["train", "test"]
    for part in splits.values():
        assert part.images.dtype == np.uint8
        assert part.images.ndim == 4
        assert part.images.shape[1:] == (dataset.IMAGE_SHAPE or (12, 10, 3))
        assert part.labels.dtype == np.int64
        assert len(part.images) == len(part.labels) > 0
        assert set(part.labels.tolist()) == set(range(len(dataset.CLASS_NAMES or "ab")))
    again, other = read(name), read(name, seed=1)
    for split in splits:
        np.testing.assert_array_equal(splits[split].images, again[split].images)
        np.testing.assert_array_equal(splits[split].labels, again[split].labels)
    same = np.array_equal(splits["test"].images, other["test"].images)
    assert same == bool(dataset.FILES)  # official splits stay


@pytest.mark.parametrize("name", ["digits", "photo_patches", "image_folder", "mnist"])
def test_no_test_image_in_train(name: str, read: Callable[..., dict[str, Split]]) -> None:
    splits = read(name)
    test = {image.tobytes() for image in splits["test"].images}
    assert len(test) == len(splits["test"].images)
    assert test.isdisjoint(image.tobytes() for image in splits["train"].images)


def test_digits_are_1797_with_360_for_test_in_equal_shares(tmp_path: Path, params: Params) -> None:
    splits = digits.read(tmp_path, params.data, 0)
    assert [len(part.labels) for part in splits.values()] == [1437, 360]
    counts = np.bincount(splits["test"].labels)
    assert counts.min() >= 34
    assert counts.max() <= 37
    values = np.unique(np.concatenate([part.images.ravel() for part in splits.values()]))
    np.testing.assert_array_equal(values, np.rint(np.arange(17) * 255 / 16))  # 0 to 16, stretched


def test_photo_patches_counts_and_contents(tmp_path: Path, params: Params) -> None:
    splits = photo_patches.read(tmp_path, params.data, 0)
    assert [len(part.labels) for part in splits.values()] == [5800, 1300]
    assert np.bincount(splits["test"].labels).tolist() == [650, 650]
    images = np.concatenate([part.images for part in splits.values()])
    assert np.all(images.reshape(len(images), -1).std(axis=1) > 0)
    assert len({image.tobytes() for image in images}) == 7100


@pytest.mark.parametrize("seed", range(4))
def test_photo_patches_of_train_and_test_share_no_pixel(seed: int) -> None:
    rows, columns = np.indices((427, 640))
    coded = np.stack([columns % 256, columns // 256, rows % 256], axis=-1).astype(np.uint8)
    train, test = photo_patches._cut(coded, 0.2, np.random.default_rng(seed))

    def columns_of(patches: np.ndarray) -> set[int]:
        return set(
            np.unique(patches[..., 0].astype(int) + 256 * patches[..., 1].astype(int)).tolist()
        )

    assert len(columns_of(test)) == 128
    assert columns_of(train).isdisjoint(columns_of(test))


def test_idx_reads_known_bytes(tmp_path: Path) -> None:
    content = bytes.fromhex("00000803 00000002 00000001 00000003 0a0b0c 0d0e0f")
    (tmp_path / "known.gz").write_bytes(gzip.compress(content))
    assert idx.read(tmp_path / "known.gz", num_dimensions=3).tolist() == [
        [[10, 11, 12]],
        [[13, 14, 15]],
    ]


IDX_FAULTS = {
    "more": ("00000801 00000003 0102", "must hold 3 = 3 bytes after its header. Received: 2."),
    "fewer": ("00000801 00000001 0102", "must hold 1 = 1 bytes after its header. Received: 2."),
    "huge": (
        "00000801 ffffffff 01",
        "must hold 4294967295 = 4294967295 bytes after its header. Received: 1.",
    ),
    "type": (
        "00000d01 00000001 01",
        "header of 1-dimensional unsigned bytes. Received: 00 00 0d 01.",
    ),
    "dimensions": (
        "00000803 00000001",
        "header of 1-dimensional unsigned bytes. Received: 00 00 08 03.",
    ),
    "short": ("000008", "header of 1-dimensional unsigned bytes. Received: 00 00 08."),
    "empty": ("", "header of 1-dimensional unsigned bytes. Received: an empty file."),
}


@pytest.mark.parametrize("fault", IDX_FAULTS)
def test_idx_refuses_a_header_that_lies(tmp_path: Path, fault: str) -> None:
    content, message = IDX_FAULTS[fault]
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(bytes.fromhex(content)))
    with pytest.raises(InputError) as caught:
        idx.read(path, num_dimensions=1)
    assert str(caught.value).startswith(f"{path} must ")
    assert str(caught.value).endswith(f"{message} Delete the file and run again: dvc repro fetch.")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "plain"])
def test_idx_refuses_a_broken_archive_in_one_line(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8)))
    flipped = whole[:40] + bytes([whole[40] ^ 255]) + whole[41:]
    path = tmp_path / "labels.gz"
    path.write_bytes({"truncated": whole[:-20], "flipped": flipped, "plain": b"<html>"}[damage])
    message = rf"^{re.escape(str(path))} must be a whole gzip archive\. Received: .+\. Delete"
    with pytest.raises(InputError, match=message):
        idx.read(path, num_dimensions=1)


def test_mnist_needs_one_label_per_image(tmp_path: Path, params: Params) -> None:
    write_mnist_like(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(idx_bytes(np.zeros(7, np.uint8)))
    )
    with pytest.raises(
        InputError, match=r"t10k must have one label per image. Received: 20 images, 7 labels"
    ):
        mnist.read(tmp_path, params.data, 0)


def test_cifar_reads_known_bytes_and_writes_nothing(tmp_path: Path, params: Params) -> None:
    folder = tmp_path / "deep" / "archive"
    folder.mkdir(parents=True)
    write_cifar(folder, cifar_record(3, 10, 20, 30, 99) + cifar_record(9, 1, 2, 3, 4))
    splits = cifar10.read(folder, params.data, 0)
    assert splits["train"].labels.tolist() == [3, 9] * 5
    assert splits["test"].labels.tolist() == [3, 9]
    image = splits["train"].images[2]
    assert image[0, 0].tolist() == [10, 20, 30]
    assert image[1, 0].tolist() == [99, 20, 30]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [cifar10.ARCHIVE]


@pytest.mark.parametrize(
    ("records", "names", "message"),
    [
        (
            b"\x01" * 3073,
            ["cifar-10-batches-bin/test_batch.bin"],
            "an archive with cifar-10-batches-bin/data_b",
        ),
        (
            b"\x01" * 3000,
            None,
            "data_batch_1.bin has records of 3073 bytes. Received: 3000 bytes. Delete the file",
        ),
    ],
)
def test_cifar_refuses_a_wrong_archive(
    tmp_path: Path, params: Params, records: bytes, names: list[str] | None, message: str
) -> None:
    write_cifar(tmp_path, records, names)
    with pytest.raises(InputError, match=message):
        cifar10.read(tmp_path, params.data, 0)


def test_cifar_refuses_a_truncated_archive(tmp_path: Path, params: Params) -> None:
    write_cifar(tmp_path, np.random.default_rng(0).bytes(3073 * 4))
    path = tmp_path / cifar10.ARCHIVE
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
    with pytest.raises(
        InputError,
        match=r"must be a whole gzip-compressed tar archive\. Received: .+ Delete the file",
    ):
        cifar10.read(tmp_path, params.data, 0)
