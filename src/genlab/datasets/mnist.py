"""MNIST: 70,000 handwritten digits, 28x28 grey, with the official test split of 10,000."""

from pathlib import Path

from genlab.contract.fields import labelled_images
from genlab.data import idx
from genlab.data.declaration import Profile, RawSplits
from genlab.settings.params import Data

# Sums: of the original archives; the same are in tensorflow/datasets, url_checksums/mnist.txt.
FILES = idx.remote_files(
    (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    contents=(  # of the archives with the sums above, unpacked
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
LICENCE = "CC BY-SA 3.0"
CITATION = (
    "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. "
    "Proceedings of the IEEE 86(11), 1998."
)
FIELDS = labelled_images((28, 28, 1), class_names="0123456789")
PROFILE = Profile(num_images=70_000, num_test=10_000, mean=0.130925, deviation=0.301647)  # measured


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the official splits."""
    return RawSplits(FIELDS, *idx.read_splits(directory))
