"""A trained encoder where labels are few: fine-tuned as a classifier, against random weights.

Both networks have the encoder's layers up to its last hidden one and a linear layer on top, the
same labelled images in the same order, steps and learning rate; only the hidden layers' first
weights differ.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from genlab.contract.capabilities import HasEncoderNetwork
from genlab.contract.evidence import FewLabelPredictions, Unavailable
from genlab.contract.steps import Losses
from genlab.evaluation.representations import check_classes
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task, seen
from genlab.imaging.arrays import Split
from genlab.networks import devices, optimization
from genlab.numerics.batches import in_batches
from genlab.settings import seeds
from genlab.settings.params import FewLabelsSettings
from genlab.trained.model import TrainedModel

BATCH_SIZE = 500
GIVES = FewLabelPredictions


def score(task: Task, scores: Scores) -> None:
    """Scores the encoder as a classifier of the test images."""
    settings, seed = task.settings.few_labels, seeds.derive(task.seed, "few_labels")
    scores.gather(
        "few_labels",
        FewLabelPredictions,
        lambda: few_labels(task.model, task.train, task.real, settings, seed),
        task.protocol(len(task.real.labels), **settings.model_dump(mode="json")),
        f"{settings.labels_per_class} labels per class",
    )


def few_labels(
    model: TrainedModel, train: Split, test: Split, settings: FewLabelsSettings, seed: int
) -> FewLabelPredictions:
    """Returns the classes of the test images that both classifiers predict.

    The labelled images are drawn from `train`; of them, their order and the random weights there is
    one draw, not a mean over several.

    Raises:
        Unavailable: The model has no encoder, or the images have no classes.
    """
    if not isinstance(model.model, HasEncoderNetwork):
        raise Unavailable(f"{model.kind} has no encoder")
    check_classes(train, test)
    encoder = model.model.encoder
    rows = choose(train.labels, settings.labels_per_class, seeds.derive(seed, "labelled"))
    images, labels = seen(model, train.images[rows]), np.asarray(train.labels[rows])
    num_classes = int(max(labels.max(), test.labels.max())) + 1
    scratch = build(encoder, num_classes, seeds.derive(seed, "weights"))
    tuned = keras.models.clone_model(scratch)
    tuned.set_weights(scratch.get_weights())
    for new, old in zip(tuned.layers[:-1], hidden_layers(encoder), strict=True):
        new.set_weights(old.get_weights())
    for network in (tuned, scratch):
        _train(network, images, labels, settings, seeds.derive(seed, "order"))
    floats = seen(model, test.images)
    return FewLabelPredictions(
        _predict(tuned, floats), _predict(scratch, floats), np.asarray(test.labels)
    )


def choose(labels: np.ndarray, labels_per_class: int, seed: int) -> np.ndarray:
    """Returns the rows of at most `labels_per_class` random images of each class, sorted."""
    generator = np.random.default_rng(seed)
    classes = (np.flatnonzero(labels == label) for label in np.unique(labels))
    chosen = [generator.permutation(rows)[:labels_per_class] for rows in classes]
    return np.sort(np.concatenate(chosen))


def hidden_layers(encoder: keras.Model) -> list[Any]:
    """Returns an encoder's layers without those that give its outputs, in their order."""
    outputs = {id(output) for output in encoder.outputs}
    return [layer for layer in encoder.layers if id(layer.output) not in outputs]


def build(encoder: keras.Model, num_classes: int, seed: int) -> keras.Model:
    """Returns the encoder up to its last hidden layer with logits (n, num_classes); new weights."""
    hidden = hidden_layers(encoder)[-1].output
    with devices.new_layers_in("float32"):
        logits = layers.Dense(num_classes, name="logits")(hidden)
    keras.utils.set_random_seed(seed)
    return keras.models.clone_model(keras.Model(encoder.input, logits))


def _train(
    network: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    settings: FewLabelsSettings,
    seed: int,
) -> None:
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.trainable_variables)
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits

    @tf.function(autograph=False)
    def step(batch: tf.Tensor, targets: tf.Tensor) -> Losses:
        def compute_losses() -> Losses:
            logits = network(batch, training=True)
            return {"loss": tf.reduce_mean(cross_entropy(targets, logits))}

        return optimization.descend(compute_losses, network.trainable_variables, optimizer)

    size = min(settings.batch_size, len(labels))
    for rows in _batches(len(labels), size, settings.steps, seed):
        step(tf.constant(images[rows]), tf.constant(labels[rows]))


def _batches(num_images: int, size: int, steps: int, seed: int) -> np.ndarray:
    """Returns the rows of each step's batch (steps, size): every image once per random epoch."""
    generator = np.random.default_rng(seed)
    epochs = -(-steps * size // num_images)
    order = np.concatenate([generator.permutation(num_images) for _ in range(epochs)])
    return order[: steps * size].reshape(steps, size)


def _predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    (logits,) = in_batches(lambda batch, _: [network(batch)], images, BATCH_SIZE)
    return logits.argmax(axis=1)
