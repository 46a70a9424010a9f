"""Kuzushiji-MNIST: 70,000 cursive Japanese characters, 28x28 grey, official split of 10,000."""

from pathlib import Path

from genlab.contract.fields import labelled_images
from genlab.data import idx
from genlab.data.declaration import Profile, RawSplits
from genlab.settings.params import Data

# Sums: tensorflow/datasets, tensorflow_datasets/url_checksums/kmnist.txt, for the publisher's
# address. The publisher's one host has been out of reach (rois-codh/kmnist, issue 29), so the last
# address is an archive of it.
FILES = idx.remote_files(
    (
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://web.archive.org/web/2023id_/http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
)
LICENCE = "CC BY-SA 4.0"
CITATION = (
    "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha: Deep learning for classical Japanese "
    "literature. arXiv:1812.01718, 2018."
)
CLASSES = "o, ki, su, tsu, na, ha, ma, ya, re, wo"
FIELDS = labelled_images((28, 28, 1), CLASSES.split(", "))
# The mean is the usual one of train, 0.1918. Nothing is known of shared images (rois-codh/kmnist,
# issue 5).
PROFILE = Profile(num_images=70_000, num_test=10_000, mean=0.1918, may_share=True)


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the official splits."""
    return RawSplits(FIELDS, *idx.read_splits(directory))
