"""Photo patches: 32x32 colour patches of the two photographs in scikit-learn: real colour, offline.

Test patches come from an upright band of each photograph, train patches from both sides of it, so
they share no pixel. Neighbouring patches of one split overlap, so validation (a part of train)
shares pixels with train.
"""

from pathlib import Path

import numpy as np

from genlab.contract.fields import Arrays, labelled_images
from genlab.data.declaration import Profile, RawSplits
from genlab.settings.params import Data

FILES = ()
LICENCE = "CC BY 2.0"
CITATION = (
    "china.jpg by danielbuechele (flickr.com/photos/danielbuechele/6061409035) and flower.jpg by "
    "vultilion (flickr.com/photos/vultilion/6056698931), as they come with scikit-learn."
)
FIELDS = labelled_images((32, 32, 3), ("china", "flower"))
PROFILE = Profile(mean=0.4036, deviation=0.1405)  # averages over six seeds, which differ by 0.006

PATCH = 32  # pixels
STRIDE = 8  # pixels between neighbouring patches


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Cuts the patches: 5,800 for train and 1,300 for test at a `test_share` of 0.2.

    The share is that of the test band in a photograph's width; it is at least one patch wide.
    """
    from sklearn.datasets import load_sample_images

    generator = np.random.default_rng(seed)
    photographs = load_sample_images().images
    train, test = zip(
        *(_cut(photograph, data.test_share, generator) for photograph in photographs), strict=True
    )
    return RawSplits(FIELDS, _join(train), _join(test))


def _cut(
    photograph: np.ndarray, test_share: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the train and the test patches of one photograph."""
    width = photograph.shape[1]
    band = int(np.clip(round(width * test_share / STRIDE) * STRIDE, PATCH, width - 2 * PATCH))
    # A patch fits on both sides of the band, so the counts do not depend on the seed.
    num_places = (width - band - 2 * PATCH) // STRIDE + 1
    left = PATCH + STRIDE * int(generator.integers(num_places))
    right = left + band
    train = [_patches(photograph[:, :left]), _patches(photograph[:, right:])]
    return np.concatenate(train), _patches(photograph[:, left:right])


def _patches(region: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(region, (PATCH, PATCH), axis=(0, 1))
    patches = windows[::STRIDE, ::STRIDE]  # (rows, columns, channels, height, width)
    return patches.transpose(0, 1, 3, 4, 2).reshape(-1, *FIELDS["images"].shape)


def _join(patches: tuple[np.ndarray, ...]) -> Arrays:
    labels = np.repeat(np.arange(len(patches)), [len(part) for part in patches])
    return {"images": np.concatenate(patches), "labels": labels}
