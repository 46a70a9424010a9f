"""What every file in `datasets/` offers, and what it reads: known bytes, counts, splits."""

import gzip
import hashlib
import io
import re
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from file_server import write_pictures
from picture_rows import write_rows

from genlab.contract.fields import DTYPES
from genlab.data import idx
from genlab.data.declaration import Profile, RawSplits
from genlab.datasets import cifar10, digits, fashion_mnist, mnist, photo_patches
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Params

NAMES = plugins.names("datasets")
ChangeData = Callable[..., Params]
Read = Callable[..., RawSplits]
FIX = "Delete the file and run again: dvc repro fetch"


def idx_bytes(values: np.ndarray) -> bytes:
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(bytes((0, 0, 8, values.ndim)) + sizes + values.tobytes())


def write_mnist_like(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for prefix, num_images in (("train", 40), ("t10k", 20)):
        images = generator.integers(0, 256, (num_images, 28, 28), np.uint8)
        labels = np.arange(num_images, dtype=np.uint8) % 10
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx_bytes(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx_bytes(labels))


def cifar_record(label: int, red: int, green: int, blue: int, first: int) -> bytes:
    """Returns a picture of one colour, whose first pixel in the second row has another red."""
    record = bytearray([label, *[red] * 1024, *[green] * 1024, *[blue] * 1024])
    record[1 + 32] = first
    return bytes(record)


def write_cifar(folder: Path, records: bytes, *names: str) -> Path:
    with tarfile.open(folder / cifar10.ARCHIVE, "w:gz") as archive:
        for name in ["../outside.bin", *(names or (*cifar10.TRAIN, *cifar10.TEST))]:
            member = tarfile.TarInfo(name)
            member.size = len(records)
            archive.addfile(member, io.BytesIO(records))
    return folder / cifar10.ARCHIVE


def write_arrays(folder: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (60, 5, 4, 3), np.uint8)
    np.savez(folder / "own.npz", images=images, labels=np.arange(60) % 3)
    return folder / "own.npz"


def write_parquet(folder: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (60, 5, 4, 3), np.uint8)
    write_rows(folder / "rows" / "a.parquet", images, list(range(3)) * 20)
    return folder / "rows"


@pytest.fixture
def read(tmp_path: Path, change_data: ChangeData) -> Read:
    """Returns a function that reads a data set, from small stand-ins for what is downloaded."""

    def read(name: str, seed: int = 0) -> RawSplits:
        dataset = plugins.find("datasets", name, "here")
        write_mnist_like(tmp_path)
        records = (cifar_record(label, label, 5, 6, 7) for label in range(10))
        write_cifar(tmp_path, b"".join(records))
        write_pictures(tmp_path / "own")
        own = {"arrays": write_arrays, "hugging_face": write_parquet}
        directory = own.get(name, lambda folder: folder / "own")(tmp_path)
        data = change_data(name=name, directory=str(directory)).data
        return dataset.read(tmp_path, data, seed)

    return read


@pytest.mark.parametrize("name", NAMES)
def test_offers_what_the_contract_asks(name: str) -> None:
    dataset = plugins.find("datasets", name, "here")
    assert dataset.__doc__
    assert dataset.LICENCE
    assert dataset.CITATION
    assert isinstance(dataset.PROFILE, Profile)
    for file in dataset.FILES or ():
        assert len(file.addresses) >= 2
        assert all(address.startswith(("https://", "http://")) for address in file.addresses)
        assert all(address.endswith("/" + file.name) for address in file.addresses)
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.checksum)
    if dataset.FILES:
        assert dataset.PROFILE.num_images
        assert dataset.PROFILE.num_test


@pytest.mark.parametrize("name", NAMES)
def test_reads_what_its_fields_say_by_the_seed_alone(name: str, read: Read) -> None:
    dataset = plugins.find("datasets", name, "here")
    raw, again, other = read(name), read(name), read(name, seed=1)
    assert raw.fields == getattr(dataset, "FIELDS", raw.fields)
    for split, repeated in ((raw.train, again.train), (raw.test, again.test)):
        assert list(split) == list(raw.fields)
        assert len({len(array) for array in split.values()}) == 1
        for field, array in split.items():
            assert array.shape[1:] == raw.fields[field].shape
            assert np.can_cast(array.dtype, DTYPES[raw.fields[field].kind], "same_kind")
            np.testing.assert_array_equal(array, repeated[field])
        classes = range(len(raw.fields["labels"].class_names))
        assert set(split["labels"].tolist()) == set(classes)
    same = np.array_equal(raw.test["images"], other.test["images"])
    assert same == bool(dataset.FILES)  # official splits stay


@pytest.mark.parametrize(
    "name", ["digits", "photo_patches", "image_folder", "arrays", "hugging_face", "mnist"]
)
def test_no_test_image_in_train(name: str, read: Read) -> None:
    raw = read(name)
    test = {image.tobytes() for image in raw.test["images"]}
    assert len(test) == len(raw.test["images"])
    assert test.isdisjoint(image.tobytes() for image in raw.train["images"])


def test_digits_are_1797_with_360_for_test_in_equal_shares(params: Params) -> None:
    raw = digits.read(Path(), params.data, 0)
    assert [len(part["labels"]) for part in (raw.train, raw.test)] == [1437, 360]
    counts = np.bincount(raw.test["labels"])
    assert counts.min() >= 34
    assert counts.max() <= 37
    values = np.unique(np.concatenate([part["images"].ravel() for part in (raw.train, raw.test)]))
    np.testing.assert_array_equal(values, np.rint(np.arange(17) * 255 / 16))  # 0 to 16, stretched


def test_photo_patches_counts_and_contents(params: Params) -> None:
    raw = photo_patches.read(Path(), params.data, 0)
    assert [len(part["labels"]) for part in (raw.train, raw.test)] == [5800, 1300]
    assert np.bincount(raw.test["labels"]).tolist() == [650, 650]
    images = np.concatenate([raw.train["images"], raw.test["images"]])
    assert np.all(images.reshape(len(images), -1).std(axis=1) > 0)
    assert len({image.tobytes() for image in images}) == 7100


@pytest.mark.parametrize("seed", range(4))
def test_photo_patches_of_train_and_test_share_no_pixel(seed: int) -> None:
    rows, columns = np.indices((427, 640))
    coded = np.stack([columns % 256, columns // 256, rows % 256], axis=-1).astype(np.uint8)
    train, test = (
        set(np.unique(patches[..., :2].astype(int) @ [1, 256]).tolist())
        for patches in photo_patches._cut(coded, 0.2, np.random.default_rng(seed))
    )
    assert len(test) == 128
    assert train.isdisjoint(test)


# Broken files


def test_sums_are_those_of_the_archives_and_of_what_they_hold(mnist_mirror: str) -> None:
    """Archives of Fashion-MNIST are checked where they are at hand."""
    for dataset in (mnist, fashion_mnist):
        folder = Path(mnist_mirror) / dataset.__name__.rpartition(".")[2]
        for file in dataset.FILES if folder.is_dir() else ():
            packed = (folder / file.name).read_bytes()
            assert file.checksum == f"sha256:{hashlib.sha256(packed).hexdigest()}"
            content = hashlib.sha256(gzip.decompress(packed)).hexdigest()
            assert file.content == f"sha256:{content}"


def test_idx_reads_known_bytes(tmp_path: Path) -> None:
    content = bytes.fromhex("00000803 00000002 00000001 00000003 0a0b0c 0d0e0f")
    (tmp_path / "known.gz").write_bytes(gzip.compress(content))
    values = idx.read(tmp_path / "known.gz", num_dimensions=3)
    assert values.tolist() == [[[10, 11, 12]], [[13, 14, 15]]]


WHOLE = idx_bytes(np.arange(200, dtype=np.uint8))
FLIPPED = WHOLE[:40] + bytes([WHOLE[40] ^ 255]) + WHOLE[41:]
HEADER, ARCHIVE = "header of 1-dimensional unsigned bytes", "must be a whole gzip archive"


@pytest.mark.parametrize(
    ("content", "expected", "received"),
    [
        ("00000801 00000003 0102", "must hold 3 = 3 bytes after its header", "2"),
        ("00000801 00000001 0102", "must hold 1 = 1 bytes after its header", "2"),
        ("00000801 ffffffff 01", "must hold 4294967295 = 4294967295 bytes after its header", "1"),
        ("00000d01 00000001 01", HEADER, "00 00 0d 01"),
        ("00000803 00000001", HEADER, "00 00 08 03"),
        ("000008", HEADER, "00 00 08"),
        ("", HEADER, "an empty file"),
        (WHOLE[:-20], ARCHIVE, ""),
        (FLIPPED, ARCHIVE, ""),
        (b"<html>", ARCHIVE, ""),
    ],
)
def test_idx_refuses_a_broken_file(
    tmp_path: Path, content: str | bytes, expected: str, received: str
) -> None:
    path = tmp_path / "labels.gz"
    archive = gzip.compress(bytes.fromhex(content)) if isinstance(content, str) else content
    path.write_bytes(archive)
    with pytest.raises(InputError) as caught:
        idx.read(path, num_dimensions=1)
    assert caught.value.expected.startswith(f"{path} must ")
    assert caught.value.expected.endswith(expected)
    assert received in ("", caught.value.received)
    assert "\n" not in str(caught.value)
    assert caught.value.where == FIX


def test_mnist_needs_one_label_per_image(tmp_path: Path, params: Params) -> None:
    write_mnist_like(tmp_path)
    labels = idx_bytes(np.zeros(7, np.uint8))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(labels)
    with pytest.raises(InputError) as caught:
        mnist.read(tmp_path, params.data, 0)
    assert caught.value.received == "20 images, 7 labels"


def test_cifar_reads_known_bytes_and_writes_nothing(tmp_path: Path, params: Params) -> None:
    folder = tmp_path / "deep" / "archive"
    folder.mkdir(parents=True)
    write_cifar(folder, cifar_record(3, 10, 20, 30, 99) + cifar_record(9, 1, 2, 3, 4))
    raw = cifar10.read(folder, params.data, 0)
    assert raw.train["labels"].tolist() == [3, 9] * 5
    assert raw.test["labels"].tolist() == [3, 9]
    image = raw.train["images"][2]
    assert image[0, 0].tolist() == [10, 20, 30]
    assert image[1, 0].tolist() == [99, 20, 30]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [cifar10.ARCHIVE]


@pytest.mark.parametrize(
    ("num_bytes", "names", "length", "expected"),
    [
        (3073, cifar10.TEST, None, f"an archive with {cifar10.TRAIN[0]}"),
        (3000, (), None, "data_batch_1.bin has records of 3073 bytes"),
        (3073, (), 200, "a whole gzip-compressed tar archive"),
    ],
)
def test_cifar_refuses_a_wrong_archive(
    tmp_path: Path,
    params: Params,
    num_bytes: int,
    names: tuple[str, ...],
    length: int | None,
    expected: str,
) -> None:
    path = write_cifar(tmp_path, b"\x01" * num_bytes, *names)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError) as caught:
        cifar10.read(tmp_path, params.data, 0)
    assert caught.value.expected.endswith(expected)
    assert caught.value.where == FIX
