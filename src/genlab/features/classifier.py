"""A small classifier of the data set, on whose penultimate layer Fréchet distances are measured.

Inception's features mean little on digits, so the distance is taken where this data set's classes
are told apart. Without labels the classifier learns to tell k-means clusters of the images (after
Caron et al., "Deep Clustering", ECCV 2018; one round, on pixels): docs/metrics.md shows that
distances in its features order images as those with labels do.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import threadpoolctl
from keras import layers
from sklearn.cluster import KMeans

from genlab.features.architectures import TRUNKS
from genlab.features.extractor import Extracted
from genlab.imaging.arrays import ImageShape, Split, to_float
from genlab.networks import devices
from genlab.numerics.batches import in_batches
from genlab.runtime.errors import InputError
from genlab.runtime.files import check_room
from genlab.settings.judges import FeatureRecipe

BATCH_SIZE = 500
"""Every batch is filled up to this size."""
NUM_CLUSTERS, CLUSTERED_IMAGES = 20, 10_000
WEIGHTS, SETTINGS = "classifier.weights.h5", "settings.json"


class FeatureExtractor:
    """A trained classifier and what is known of it."""

    is_scaled = True

    def __init__(self, classifier: keras.Model, settings: dict[str, Any]):
        self.settings = settings
        penultimate = classifier.get_layer("features").output
        self._outputs = keras.Model(classifier.input, [penultimate, classifier.output])
        self._compiled = tf.function(self._outputs, autograph=False)

    @property
    def num_classes(self) -> int:
        """Classes of the images; 0 where the classifier's task was not theirs."""
        return int(self.settings["num_classes"]) if self.settings["task"] == "classes" else 0

    def extract(self, images: np.ndarray) -> Extracted:
        """Returns the features and the predicted classes of uint8 images NHWC, at least one."""
        features, logits = in_batches(
            lambda batch, _: self._compiled(tf.constant(to_float(batch))), images, BATCH_SIZE
        )
        return Extracted(features, logits.argmax(axis=1))


def build_classifier(
    settings: FeatureRecipe, image_shape: ImageShape, num_classes: int
) -> keras.Model:
    """Returns a trunk, the layer `features`, and logits (n, classes)."""
    images = keras.Input(image_shape, name="images")
    hidden = TRUNKS[settings.architecture](images, settings.filters)
    hidden = layers.Dense(settings.feature_dim, activation="relu", name="features")(hidden)
    return keras.Model(images, layers.Dense(num_classes, name="logits")(hidden), name="classifier")


class Labelling(NamedTuple):
    """What a classifier learns to tell: its name, the number of labels, and those of a split."""

    name: str
    num_labels: int
    labels_of: Callable[[Split], np.ndarray]


def labelling(train_split: Split, num_classes: int, seed: int) -> Labelling:
    """Returns the images' classes, or clusters of the train images if they have no classes."""
    if num_classes >= 2:
        return Labelling("classes", num_classes, lambda split: np.asarray(split.labels))
    order = np.random.default_rng(seed).permutation(len(train_split.images))
    rows = np.sort(order[:CLUSTERED_IMAGES])
    number = min(NUM_CLUSTERS, len(rows))
    with threadpoolctl.threadpool_limits(1):  # several threads add in any order
        clusters = KMeans(number, n_init=4, random_state=seed).fit(_flat(train_split.images[rows]))
    return Labelling(f"{number} clusters", number, lambda split: _nearest(clusters, split.images))


def _nearest(clusters: KMeans, images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), BATCH_SIZE)
    batches = (images[start : start + BATCH_SIZE] for start in starts)
    return np.concatenate([clusters.predict(_flat(batch)) for batch in batches])


def _flat(images: np.ndarray) -> np.ndarray:
    return to_float(np.asarray(images)).reshape(len(images), -1)


def train(
    settings: FeatureRecipe,
    train_split: Split,
    test_split: Split,
    num_classes: int,
    seed: int,
    out: Path,
) -> None:
    """Trains a classifier; writes its weights and settings, with its accuracy on test, to `out`."""
    keras.utils.clear_session()  # the names of layers, which the weights hold, count from 0 again
    keras.utils.set_random_seed(seed)
    labels, images = labelling(train_split, num_classes, seed), np.asarray(train_split.images)
    classifier = build_classifier(settings, images.shape[1:], labels.num_labels)
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    classifier.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    batches = _Batches(images, labels.labels_of(train_split), settings, seed)
    verbose = 1 if sys.stdout.isatty() else 2  # a bar that moves, or one line
    classifier.fit(batches, epochs=1, shuffle=False, verbose=verbose)
    check_room(out, (value.nbytes for value in classifier.get_weights()))
    without_optimizer = keras.Model(classifier.input, classifier.output)
    without_optimizer.save_weights(out / WEIGHTS)
    facts = {
        "settings": settings.model_dump(mode="json"),
        "image_shape": list(images.shape[1:]),
        "num_classes": labels.num_labels,
        "task": labels.name,
        "seed": seed,
        "weights_sha256": _sha256(out / WEIGHTS),
    }
    predicted = FeatureExtractor(classifier, facts).extract(np.asarray(test_split.images)).classes
    facts["test_accuracy"] = float(np.mean(predicted == labels.labels_of(test_split)))
    write_settings(out, facts)


class _Batches(keras.utils.PyDataset):
    """The training batches of all steps, each image once per epoch, in an order by the seed."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, settings: FeatureRecipe, seed: int):
        super().__init__()
        self._images, self._labels = images, labels
        self._size, self._steps = settings.batch_size, settings.steps
        epochs = -(-self._steps * self._size // len(images))
        generator = np.random.default_rng(seed)
        self._order = np.concatenate([generator.permutation(len(images)) for _ in range(epochs)])

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self._order[index * self._size : (index + 1) * self._size]
        return to_float(self._images[rows]), self._labels[rows]


def read_settings(folder: Path) -> dict[str, Any]:
    """Returns what is known of the extractor in `folder`: settings, task, accuracy, weights_sha256.

    Raises:
        InputError: There is none.
    """
    if not (folder / SETTINGS).is_file():
        raise InputError(
            f"{folder} must hold a feature extractor",
            f"no {SETTINGS} there",
            "Run: dvc repro features",
        )
    return json.loads((folder / SETTINGS).read_text())


def write_settings(folder: Path, facts: dict[str, Any]) -> None:
    """Writes what is known of the extractor in `folder`."""
    (folder / SETTINGS).write_text(json.dumps(facts, indent=2) + "\n")


def load(folder: Path) -> FeatureExtractor:
    """Returns the extractor in `folder`; it computes in float32 under any policy of precision.

    Raises:
        InputError: There is none, or its weights are not those that its settings name.
    """
    facts = read_settings(folder)
    received = _sha256(folder / WEIGHTS)
    if received != facts["weights_sha256"]:
        raise InputError(
            f"{folder / WEIGHTS} must have the SHA-256 {facts['weights_sha256']}",
            received,
            "Run: dvc repro --force features",
        )
    with devices.new_layers_in("float32"):
        recipe = FeatureRecipe(**facts["settings"])
        classifier = build_classifier(recipe, tuple(facts["image_shape"]), facts["num_classes"])
    classifier.load_weights(folder / WEIGHTS)
    return FeatureExtractor(classifier, facts)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
