"""Kuzushiji-MNIST: 70,000 cursive Japanese characters, 28x28 grey, with the official test split of 10,000."""

from pathlib import Path

from genlab.data import idx
from genlab.data.declaration import Profile, remote_files
from genlab.imaging.arrays import Split
from genlab.settings import params

# Sums: tensorflow/datasets, tensorflow_datasets/url_checksums/kmnist.txt, for the publisher's address. The publisher
# has only one host, which has been out of reach (rois-codh/kmnist, issue 29): the last address is an archive of it.
FILES = remote_files(
    {
        "train-images-idx3-ubyte.gz": "sha256:51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "train-labels-idx1-ubyte.gz": "sha256:e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "t10k-images-idx3-ubyte.gz": "sha256:edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "t10k-labels-idx1-ubyte.gz": "sha256:20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    },
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://web.archive.org/web/2023id_/http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
)
LICENCE = "CC BY-SA 4.0"
CITATION = (
    "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha: Deep learning for classical Japanese literature. "
    "arXiv:1812.01718, 2018."
)
IMAGE_SHAPE = (28, 28, 1)
CLASS_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
# The mean is the one of train that is in common use, 0.1918. Shared images are not known (rois-codh/kmnist, issue 5).
PROFILE = Profile(num_images=70_000, num_test=10_000, mean=0.1918, may_share=True)


def read(directory: Path, data: params.Data, seed: int) -> dict[str, Split]:
    """Reads the official splits.

    Args:
        directory: Where `FILES` lie.
        data: Not used: nothing of this data set can be set.
        seed: Not used: the splits are the official ones.
    """
    return idx.read_splits(directory)
