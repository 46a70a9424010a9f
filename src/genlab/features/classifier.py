"""A small classifier of the domain, on whose penultimate layer Fréchet distances are measured.

Inception's features mean little on digits, so the distance is taken where this data set's own classes are told apart.
Without labels the classifier learns to tell k-means clusters of the images (after Caron et al., "Deep Clustering", ECCV
2018; one round, on pixels): docs/metrics.md shows that distances in its features order images as those with labels do.
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

from genlab.features.extractor import Extracted
from genlab.imaging.arrays import ImageShape, Split, to_float
from genlab.networks import devices
from genlab.numerics.batches import in_batches
from genlab.runtime.errors import InputError
from genlab.runtime.files import check_room
from genlab.settings.params import FeatureRecipe

BATCH_SIZE = 500
"""Every batch is filled up to this size."""
NUM_CLUSTERS, CLUSTERED_IMAGES = 20, 10_000
WEIGHTS, SETTINGS = "classifier.weights.h5", "settings.json"


class FeatureExtractor:
    """A trained classifier and what is known of it."""

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
    """Returns convolutions that halve the image, the layer called `features`, and logits (n, num_classes)."""
    images = keras.Input(image_shape, name="images")
    hidden = images
    for count in settings.filters:
        hidden = layers.Conv2D(count, 3, padding="same", activation="relu")(hidden)
        hidden = layers.MaxPooling2D(2, padding="same")(hidden)
    hidden = layers.Dense(settings.feature_dim, activation="relu", name="features")(
        layers.Flatten()(hidden)
    )
    return keras.Model(images, layers.Dense(num_classes, name="logits")(hidden), name="classifier")


class Task(NamedTuple):
    """What a classifier learns to tell: its name, how many answers there are, and the right ones of a split, (n,)."""

    name: str
    num_answers: int
    answers: Callable[[Split], np.ndarray]


def task_of(train_split: Split, num_classes: int, seed: int) -> Task:
    """Returns the task: to tell the classes, or clusters of the train images where these have no labels."""
    if num_classes >= 2:
        return Task("classes", num_classes, lambda split: np.asarray(split.labels))
    chosen = np.sort(
        np.random.default_rng(seed).permutation(len(train_split.images))[:CLUSTERED_IMAGES]
    )
    number = min(NUM_CLUSTERS, len(chosen))
    with threadpoolctl.threadpool_limits(
        1
    ):  # several threads add in the order in which they are ready
        clusters = KMeans(number, n_init=4, random_state=seed).fit(
            _rows(train_split.images[chosen])
        )
    return Task(f"{number} clusters", number, lambda split: _nearest(clusters, split.images))


def _nearest(clusters: KMeans, images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), BATCH_SIZE)
    return np.concatenate(
        [clusters.predict(_rows(images[start : start + BATCH_SIZE])) for start in starts]
    )


def _rows(images: np.ndarray) -> np.ndarray:
    return to_float(np.asarray(images)).reshape(len(images), -1)


def train(
    settings: FeatureRecipe,
    train_split: Split,
    test_split: Split,
    num_classes: int,
    seed: int,
    out: Path,
) -> None:
    """Trains a classifier and writes its weights and settings, accuracy on test and weight hash included, to `out`."""
    keras.utils.clear_session()  # layers are numbered from 0 again: their names are written with the weights
    keras.utils.set_random_seed(seed)
    task, images = task_of(train_split, num_classes, seed), np.asarray(train_split.images)
    classifier = build_classifier(settings, images.shape[1:], task.num_answers)
    classifier.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    verbose = 1 if sys.stdout.isatty() else 2  # a bar that moves, or one line
    classifier.fit(
        _Batches(images, task.answers(train_split), settings, seed),
        epochs=1,
        shuffle=False,
        verbose=verbose,
    )
    check_room(out, (value.nbytes for value in classifier.get_weights()))
    keras.Model(classifier.input, classifier.output).save_weights(
        out / WEIGHTS
    )  # without the optimizer's state
    facts = {
        "settings": settings.model_dump(mode="json", include=set(FeatureRecipe.model_fields)),
        "image_shape": list(images.shape[1:]),
        "num_classes": task.num_answers,
        "task": task.name,
        "seed": seed,
        "weights_sha256": hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest(),
    }
    predicted = FeatureExtractor(classifier, facts).extract(np.asarray(test_split.images)).classes
    facts["test_accuracy"] = float(np.mean(predicted == task.answers(test_split)))
    write_settings(out, facts)


class _Batches(keras.utils.PyDataset):
    """The training batches of all steps, each image once per epoch, in an order that the seed fixes."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, settings: FeatureRecipe, seed: int):
        super().__init__()
        self._images, self._labels, self._size, self._steps = (
            images,
            labels,
            settings.batch_size,
            settings.steps,
        )
        epochs = -(-settings.steps * settings.batch_size // len(images))
        generator = np.random.default_rng(seed)
        self._order = np.concatenate([generator.permutation(len(images)) for _ in range(epochs)])

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[index * self._size : (index + 1) * self._size]
        return to_float(self._images[chosen]), self._labels[chosen]


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
    """Returns the extractor in `folder`; it computes in float32, whatever the precision of new layers.

    Raises:
        InputError: There is none, or its weights are not those that its settings name.
    """
    facts = read_settings(folder)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    if digest != facts["weights_sha256"]:
        raise InputError(
            f"{folder / WEIGHTS} must have the SHA-256 {facts['weights_sha256']}",
            str(digest),
            "Run: dvc repro --force features",
        )
    with devices.new_layers_in("float32"):
        recipe = FeatureRecipe(**facts["settings"])
        classifier = build_classifier(recipe, tuple(facts["image_shape"]), facts["num_classes"])
    classifier.load_weights(folder / WEIGHTS)
    return FeatureExtractor(classifier, facts)
