"""What a trained encoder is worth where labels are few: it is fine-tuned as a classifier, against random weights.

Both networks have the encoder's layers up to its last hidden one and a linear layer on them, the same labelled images
in the same order, steps and learning rate; they differ in the weights that the hidden layers begin with.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from genlab.contract.capabilities import HasEncoderNetwork
from genlab.contract.steps import Losses
from genlab.evaluation.representations import check_classes
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import Split, to_float
from genlab.measurement.evidence import FewLabels, Unavailable
from genlab.networks import devices, optimization
from genlab.settings import seeds
from genlab.settings.params import FewLabelsSettings as Settings
from genlab.trained.model import TrainedModel

BATCH_SIZE = 500
GIVES = FewLabels


def score(task: Task, scores: Scores) -> None:
    """Scores the encoder as a classifier of the test images."""
    settings, seed = task.settings.few_labels, seeds.derive(task.seed, "few_labels")
    protocol = task.protocol(len(task.real.labels), **settings.model_dump(mode="json"))
    scores.gather(
        "few_labels",
        FewLabels,
        lambda: few_labels(task.model, task.train, task.real, settings, seed),
        protocol,
        f"{settings.labels_per_class} labels per class",
    )


def few_labels(
    model: TrainedModel, train: Split, test: Split, settings: Settings, seed: int
) -> FewLabels:
    """Returns the classes that both classifiers predict of the test images.

    Args:
        model: Its encoder is fine-tuned; it stays as it is itself.
        train: uint8 images as they lie in the split, from which the labelled ones are drawn.
        test: The images to predict.
        settings: Labels per class, steps, batch size and learning rate of Adam.
        seed: Of the labelled images, their order and the random weights; one seed, not a mean over several.

    Raises:
        Unavailable: The model has no encoder, or the images have no classes.
    """
    if not isinstance(model.model, HasEncoderNetwork):
        raise Unavailable(f"{model.settings['kind']} has no encoder")
    check_classes(train, test)
    rows = choose(train.labels, settings.labels_per_class, seeds.derive(seed, "labelled"))
    images, floats = (
        to_float(model.as_seen(np.asarray(part))) for part in (train.images[rows], test.images)
    )
    labels = np.asarray(train.labels[rows])
    num_classes = int(max(labels.max(), test.labels.max())) + 1
    scratch = build(model.model.encoder, num_classes, seeds.derive(seed, "weights"))
    tuned = keras.models.clone_model(scratch)
    tuned.set_weights(scratch.get_weights())
    for new, old in zip(tuned.layers[:-1], hidden_layers(model.model.encoder), strict=True):
        new.set_weights(old.get_weights())
    for network in (tuned, scratch):
        _train(network, images, labels, settings, seeds.derive(seed, "order"))
    return FewLabels(_predict(tuned, floats), _predict(scratch, floats), np.asarray(test.labels))


def choose(labels: np.ndarray, labels_per_class: int, seed: int) -> np.ndarray:
    """Returns the rows of at most `labels_per_class` images of each class, drawn without replacement, sorted."""
    generator = np.random.default_rng(seed)
    classes = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return np.sort(
        np.concatenate([generator.permutation(rows)[:labels_per_class] for rows in classes])
    )


def hidden_layers(encoder: keras.Model) -> list[Any]:
    """Returns an encoder's layers without those that give its outputs, in their order."""
    return [
        layer
        for layer in encoder.layers
        if not any(layer.output is output for output in encoder.outputs)
    ]


def build(encoder: keras.Model, num_classes: int, seed: int) -> keras.Model:
    """Returns a network like the encoder up to its last hidden layer, then logits (n, num_classes); random weights."""
    hidden = hidden_layers(encoder)[-1].output
    with devices.new_layers_in("float32"):
        logits = layers.Dense(num_classes, name="logits")(hidden)
    keras.utils.set_random_seed(seed)
    return keras.models.clone_model(keras.Model(encoder.input, logits))


def _train(
    network: keras.Model, images: np.ndarray, labels: np.ndarray, settings: Settings, seed: int
) -> None:
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.trainable_variables)

    @tf.function(autograph=False)
    def step(batch: tf.Tensor, targets: tf.Tensor) -> Losses:
        def compute_losses() -> Losses:
            logits = network(batch, training=True)
            return {
                "loss": tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
                )
            }

        return optimization.descend(compute_losses, network.trainable_variables, optimizer)

    size = min(settings.batch_size, len(labels))
    for rows in _batches(len(labels), size, settings.steps, seed):
        step(tf.constant(images[rows]), tf.constant(labels[rows]))


def _batches(num_images: int, size: int, steps: int, seed: int) -> np.ndarray:
    """Returns the rows of each step's batch (steps, size): every image once per epoch, in an order of its own."""
    generator = np.random.default_rng(seed)
    epochs = -(-steps * size // num_images)
    order = np.concatenate([generator.permutation(num_images) for _ in range(epochs)])
    return order[: steps * size].reshape(steps, size)


def _predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    logits = [
        np.asarray(network(images[start : start + BATCH_SIZE]))
        for start in range(0, len(images), BATCH_SIZE)
    ]
    return np.concatenate(logits).argmax(axis=1)
