"""Digits: 1,797 real handwritten digits, 8x8 grey, from scikit-learn: the default, offline."""

from pathlib import Path

import numpy as np

from genlab.contract.fields import labelled_images
from genlab.data.declaration import Profile, RawSplits
from genlab.settings.params import Data

FILES = ()
LICENCE = "CC BY 4.0"
CITATION = (
    "Alpaydin, Kaynak: Optical recognition of handwritten digits. UCI Machine Learning Repository, "
    "1998, doi:10.24432/C50P49 (the test set, as it comes with scikit-learn)."
)
FIELDS = labelled_images((8, 8, 1), class_names="0123456789")
PROFILE = Profile(num_images=1797, mean=0.305309, deviation=0.373648)  # measured


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the digits, grey values 0 to 16 stretched to 0 to 255, with a stratified test split.

    A `test_share` of 0.2 makes 360 test images.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    rows = train_test_split(
        np.arange(len(images)), test_size=data.test_share, stratify=digits.target, random_state=seed
    )
    return RawSplits(
        FIELDS, *({"images": images[part], "labels": digits.target[part]} for part in rows)
    )
