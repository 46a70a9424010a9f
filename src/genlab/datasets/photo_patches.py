"""Photo patches: 32x32 colour patches of the two photographs inside scikit-learn, so that colour is real and offline.

Test patches come from an upright band of each photograph, train patches from the left and the right of it: the two
share no pixel. Neighbouring patches of one split overlap, so validation (carved out of train) shares pixels with train.
"""

from pathlib import Path

import numpy as np

from genlab.data.declaration import Profile, RemoteFile
from genlab.imaging.arrays import Split
from genlab.settings import params

FILES: tuple[RemoteFile, ...] = ()
LICENCE = "CC BY 2.0"
CITATION = (
    "china.jpg by danielbuechele (flickr.com/photos/danielbuechele/6061409035) and flower.jpg by vultilion "
    "(flickr.com/photos/vultilion/6056698931), as they come with scikit-learn."
)
IMAGE_SHAPE = (32, 32, 3)
CLASS_NAMES = ("china", "flower")
PROFILE = Profile(
    mean=0.4036, deviation=0.1405
)  # measured: average over six seeds, which differ by 0.006

PATCH = 32  # pixels
STRIDE = 8  # pixels between neighbouring patches


def read(directory: Path, data: params.Data, seed: int) -> dict[str, Split]:
    """Cuts the patches: 5,800 for train and 1,300 for test at a `test_share` of 0.2.

    Args:
        directory: Not used: the photographs lie inside scikit-learn.
        data: `test_share` of each photograph's width is the test band, at least one patch wide.
        seed: Chooses where the bands lie.
    """
    from sklearn.datasets import load_sample_images

    generator = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    for photograph in load_sample_images().images:
        train, test = _cut(photograph, data.test_share, generator)
        parts["train"].append(train)
        parts["test"].append(test)
    return {split: _join(patches) for split, patches in parts.items()}


def _cut(
    photograph: np.ndarray, test_share: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    width = photograph.shape[1]
    band = int(np.clip(round(width * test_share / STRIDE) * STRIDE, PATCH, width - 2 * PATCH))
    places = (
        width - band - 2 * PATCH
    ) // STRIDE + 1  # a patch fits on both sides, so that counts are always equal
    left = PATCH + STRIDE * int(generator.integers(places))
    sides = (photograph[:, :left], photograph[:, left + band :])
    return np.concatenate([_patches(side) for side in sides]), _patches(
        photograph[:, left : left + band]
    )


def _patches(region: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(region, (PATCH, PATCH), axis=(0, 1))[
        ::STRIDE, ::STRIDE
    ]
    return windows.transpose(0, 1, 3, 4, 2).reshape(-1, *IMAGE_SHAPE)


def _join(patches: list[np.ndarray]) -> Split:
    labels = np.repeat(np.arange(len(patches), dtype=np.int64), [len(part) for part in patches])
    return Split(np.concatenate(patches), labels)
