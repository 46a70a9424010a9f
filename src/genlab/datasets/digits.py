"""Digits: 1,797 real handwritten digits, 8x8 grey, from inside scikit-learn; the default, which needs no network."""

from pathlib import Path

import numpy as np

from genlab.data.declaration import Profile, RemoteFile
from genlab.imaging.arrays import Split
from genlab.settings import params

FILES: tuple[RemoteFile, ...] = ()
LICENCE = "CC BY 4.0"
CITATION = (
    "Alpaydin, Kaynak: Optical recognition of handwritten digits. UCI Machine Learning Repository, 1998, "
    "doi:10.24432/C50P49 (the test set, as it comes with scikit-learn)."
)
IMAGE_SHAPE = (8, 8, 1)
CLASS_NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
PROFILE = Profile(num_images=1797, mean=0.305309, deviation=0.373648)  # measured


def read(directory: Path, data: params.Data, seed: int) -> dict[str, Split]:
    """Reads the digits, grey values 0 to 16 stretched to 0 to 255, with a stratified test split.

    Args:
        directory: Not used: the images lie inside scikit-learn.
        data: `test_share` of each class is test; 0.2 makes 360 images.
        seed: Chooses the test split.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    parts = train_test_split(
        images, labels, test_size=data.test_share, stratify=labels, random_state=seed
    )
    train_images, test_images, train_labels, test_labels = parts
    return {"train": Split(train_images, train_labels), "test": Split(test_images, test_labels)}
