"""A trained encoder where labels are few: fine-tuned as a classifier, against random weights.

Both networks have the encoder's layers up to its last hidden one and a linear layer on top, the
same labelled images in the same order, steps and learning rate; only the hidden layers' first
weights differ. Which images are labelled, and the random weights, change the result more than
other test images would: so there are several draws of both, the same labels for every model.
Beside it stands what needs no fine-tuning: logistic regression on the latents and on the pixels of
the same labelled images.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from genlab.contract.capabilities import HasEncoderNetwork
from genlab.contract.evidence import FewLabelPredictions, LabelledVectors, Unavailable
from genlab.contract.steps import Losses
from genlab.evaluation import representations
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
TUNED, LATENT, PIXELS = "few_labels", "few_labels_latent", "few_labels_pixels"
Fit = Callable[[np.ndarray, np.ndarray, int], None]
"""Trains a network on images (n, ...) and labels (n,); the seed is of their order."""


def score(task: Task, scores: Scores) -> None:
    """Scores the encoder as a classifier of the test images, and regression on few labels."""
    model, settings = task.model, task.settings.few_labels
    draws = draw_seeds(settings, seeds.derive(task.seed, "few_labels"))
    protocol = task.protocol(len(task.real.labels), **settings.model_dump(mode="json"))
    method = f"{settings.labels_per_class} labels per class, {settings.num_draws} draws"
    try:
        predictions = few_labels(model, task.train, task.real, settings, draws)
    except Unavailable as reason:
        scores.skip(TUNED, FewLabelPredictions, str(reason))
        for source in (LATENT, PIXELS):
            scores.skip(source, LabelledVectors, str(reason))
        return
    scores.add_repeats(TUNED, predictions, protocol, method)
    for source, vectors in ((LATENT, model.encode), (PIXELS, representations.rows)):
        repeats = labelled_vectors(task, vectors, draws)
        scores.add_repeats(source, repeats, protocol, f"{method}, no fine-tuning")


def draw_seeds(settings: FewLabelsSettings, seed: int) -> list[int]:
    """Returns a seed for each draw of labels and weights."""
    return [seeds.derive(seed, draw) for draw in range(settings.num_draws)]


def few_labels(
    model: TrainedModel,
    train: Split,
    test: Split,
    settings: FewLabelsSettings,
    draws: list[int],
) -> list[FewLabelPredictions]:
    """Returns for each draw the classes of the test images that both classifiers predict.

    The labelled images are drawn from `train`.

    Raises:
        Unavailable: The model has no encoder, or the images have no classes.
    """
    if not isinstance(model.model, HasEncoderNetwork):
        raise Unavailable(f"{model.kind} has no encoder")
    representations.check_classes(train, test)
    encoder, floats, truth = model.model.encoder, seen(model, test.images), np.asarray(test.labels)
    num_classes = int(max(train.labels.max(), truth.max())) + 1
    network = build(encoder, num_classes, seed=0)  # compiled once, for all weights
    fit, predictions = _compile(network, settings), []
    for draw in draws:
        rows = choose_labelled(train, settings, draw)
        images, labels = seen(model, train.images[rows]), np.asarray(train.labels[rows])
        weights = build(encoder, num_classes, seeds.derive(draw, "weights")).get_weights()
        predicted = []
        for first_layers in (hidden_layers(encoder), []):
            network.set_weights(weights)
            for new, old in zip(network.layers[: len(first_layers)], first_layers, strict=True):
                new.set_weights(old.get_weights())
            fit(images, labels, seeds.derive(draw, "order"))
            predicted.append(_predict(network, floats))
        fine_tuned, from_scratch = predicted
        predictions.append(FewLabelPredictions(fine_tuned, from_scratch, truth))
    return predictions


def labelled_vectors(
    task: Task, vectors: representations.Vectors, draws: list[int]
) -> list[LabelledVectors]:
    """Returns for each draw the vectors of the labelled images, and those of the test images."""
    test, train = vectors(task.floats), task.train
    chosen = [choose_labelled(train, task.settings.few_labels, draw) for draw in draws]
    return [
        LabelledVectors(
            vectors(seen(task.model, train.images[rows])),
            np.asarray(train.labels[rows]),
            test,
            np.asarray(task.real.labels),
        )
        for rows in chosen
    ]


def choose_labelled(train: Split, settings: FewLabelsSettings, draw: int) -> np.ndarray:
    """Returns the rows of the images that are labelled in one draw."""
    return choose(train.labels, settings.labels_per_class, seeds.derive(draw, "labelled"))


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


def _compile(network: keras.Model, settings: FewLabelsSettings) -> Fit:
    """Returns what trains the network from the weights that it has, with a new optimizer."""
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.trainable_variables)
    at_first = [variable.numpy() for variable in optimizer.variables]
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits

    @tf.function(autograph=False, reduce_retracing=True)
    def step(batch: tf.Tensor, targets: tf.Tensor) -> Losses:
        def compute_losses() -> Losses:
            logits = network(batch, training=True)
            return {"loss": tf.reduce_mean(cross_entropy(targets, logits))}

        return optimization.descend(compute_losses, network.trainable_variables, optimizer)

    def fit(images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        for variable, value in zip(optimizer.variables, at_first, strict=True):
            variable.assign(value)
        size = min(settings.batch_size, len(labels))
        for rows in _batches(len(labels), size, settings.steps, seed):
            step(tf.constant(images[rows]), tf.constant(labels[rows]))

    return fit


def _batches(num_images: int, size: int, steps: int, seed: int) -> np.ndarray:
    """Returns the rows of each step's batch (steps, size): every image once per random epoch."""
    generator = np.random.default_rng(seed)
    epochs = -(-steps * size // num_images)
    order = np.concatenate([generator.permutation(num_images) for _ in range(epochs)])
    return order[: steps * size].reshape(steps, size)


def _predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    (logits,) = in_batches(lambda batch, _: [network(batch)], images, BATCH_SIZE)
    return logits.argmax(axis=1)
