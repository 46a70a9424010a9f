"""A small classifier of the domain, on whose penultimate layer Fréchet distances are measured.

Inception's features mean little on digits, so the distance is taken where this data set's own classes are told apart.
Without labels the classifier learns to tell by how many quarter turns an image was rotated (Gidaris et al., ICLR 2018),
or whether it stands on its head where it is not square.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from genlab import devices
from genlab.errors import InputError
from genlab.extraction import Extracted, in_batches
from genlab.files import check_room
from genlab.images import ImageShape, Split, to_float
from genlab.params import FeatureRecipe

BATCH_SIZE = 500
"""Every batch is filled up to this size."""
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
        features, logits = in_batches(lambda batch, _: self._compiled(tf.constant(to_float(batch))), images, BATCH_SIZE)
        return Extracted(features, logits.argmax(axis=1))


def build_classifier(settings: FeatureRecipe, image_shape: ImageShape, num_classes: int) -> keras.Model:
    """Returns convolutions that halve the image, the layer called `features`, and logits (n, num_classes)."""
    images = keras.Input(image_shape, name="images")
    hidden = images
    for count in settings.filters:
        hidden = layers.Conv2D(count, 3, padding="same", activation="relu")(hidden)
        hidden = layers.MaxPooling2D(2, padding="same")(hidden)
    hidden = layers.Dense(settings.feature_dim, activation="relu", name="features")(layers.Flatten()(hidden))
    return keras.Model(images, layers.Dense(num_classes, name="logits")(hidden), name="classifier")


def task_of(split: Split, num_classes: int) -> tuple[str, np.ndarray, np.ndarray]:
    """Returns the task's name, its images and its labels: the classes, or quarter turns where there are no labels."""
    if num_classes >= 2:
        return "classes", np.asarray(split.images), np.asarray(split.labels)
    _, height, width, _ = split.images.shape
    turns = range(4) if height == width else (0, 2)
    turned = [np.rot90(split.images, turn, axes=(1, 2)) for turn in turns]
    task = "quarter turns" if height == width else "half turns"
    return task, np.concatenate(turned), np.repeat(np.arange(len(turned)), len(split.images))


def train(
    settings: FeatureRecipe, train_split: Split, test_split: Split, num_classes: int, seed: int, out: Path
) -> None:
    """Trains a classifier and writes its weights and settings, accuracy on test and weight hash included, to `out`."""
    keras.utils.clear_session()  # layers are numbered from 0 again: their names are written with the weights
    keras.utils.set_random_seed(seed)
    task, images, labels = task_of(train_split, num_classes)
    classifier = build_classifier(settings, images.shape[1:], int(labels.max()) + 1)
    classifier.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    verbose = 1 if sys.stdout.isatty() else 2  # a bar that moves, or one line
    classifier.fit(_Batches(images, labels, settings, seed), epochs=1, shuffle=False, verbose=verbose)
    check_room(out, (value.nbytes for value in classifier.get_weights()))
    keras.Model(classifier.input, classifier.output).save_weights(out / WEIGHTS)  # without the optimizer's state
    facts = {
        "settings": settings.model_dump(mode="json", include=set(FeatureRecipe.model_fields)),
        "image_shape": list(images.shape[1:]),
        "num_classes": int(labels.max()) + 1,
        "task": task,
        "seed": seed,
        "weights_sha256": hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest(),
    }
    _, test_images, test_labels = task_of(test_split, num_classes)
    predicted = FeatureExtractor(classifier, facts).extract(test_images).classes
    facts["test_accuracy"] = float(np.mean(predicted == test_labels))
    write_settings(out, facts)


class _Batches(keras.utils.PyDataset):
    """The training batches of all steps, each image once per epoch, in an order that the seed fixes."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, settings: FeatureRecipe, seed: int):
        super().__init__()
        self._images, self._labels, self._size, self._steps = images, labels, settings.batch_size, settings.steps
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
            f"{folder} must hold a feature extractor. Received: no {SETTINGS} there. Run: dvc repro features."
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
            f"{folder / WEIGHTS} must have the SHA-256 {facts['weights_sha256']}. Received: {digest}. "
            "Run: dvc repro --force features."
        )
    with devices.new_layers_in("float32"):
        recipe = FeatureRecipe(**facts["settings"])
        classifier = build_classifier(recipe, tuple(facts["image_shape"]), facts["num_classes"])
    classifier.load_weights(folder / WEIGHTS)
    return FeatureExtractor(classifier, facts)
