"""Fashion-MNIST: 70,000 pictures of clothes, 28x28 grey, official test split of 10,000."""

from pathlib import Path

from genlab.contract.fields import labelled_images
from genlab.data import idx
from genlab.data.declaration import Profile, RawSplits
from genlab.settings.params import Data

# Sums: tensorflow/datasets, tensorflow_datasets/url_checksums/fashion_mnist.txt, for the first
# address. They are of the files without repeated images (zalandoresearch/fashion-mnist, issue 44).
FILES = idx.remote_files(
    (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    contents=(  # of the archives with the sums above, unpacked
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
LICENCE = "MIT"
CITATION = (
    "Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning "
    "algorithms. arXiv:1708.07747, 2017."
)
CLASSES = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
FIELDS = labelled_images((28, 28, 1), CLASSES.split(", "))
# The mean is the published one of train, 0.2860 (github.com/chatflip/CalculationMeanStd). Nothing
# is known of shared images.
PROFILE = Profile(num_images=70_000, num_test=10_000, mean=0.2860, may_share=True)


def read(directory: Path, data: Data, seed: int) -> RawSplits:
    """Reads the official splits."""
    return RawSplits(FIELDS, *idx.read_splits(directory))
