"""Descent, Adam, its schedules, the written-out gradient: by hand, by NumPy and by Keras."""

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import all_variables, batch_of, step_of, tiny_model, tiny_settings

from genlab.networks import optimization

LN2, LN3 = math.log(2), math.log(3)


def test_descend_goes_down_the_gradient_of_the_loss_alone() -> None:
    variable = keras.Variable(3.0)
    optimizer = keras.optimizers.SGD(0.1)
    losses = optimization.descend(
        lambda: {"loss": tf.square(variable.value), "other": 100 * variable.value},
        [variable],
        optimizer,
    )
    assert float(variable.value) == pytest.approx(3 - 0.1 * 2 * 3)
    assert float(losses["loss"]) == pytest.approx(9)


# Schedules


def rate_at(step: int, optimizer: keras.optimizers.Optimizer) -> float:
    optimizer.build([keras.Variable(0.0)])
    optimizer.iterations.assign(step)
    return float(optimizer.learning_rate)


@pytest.mark.parametrize(
    ("schedule", "warmup_steps", "step", "rate"),
    [
        ("cosine", 0, 0, 0.2),
        ("cosine", 0, 25, 0.2 * (2 + math.sqrt(2)) / 4),
        ("cosine", 0, 50, 0.1),
        ("cosine", 0, 100, 0.0),
        ("cosine", 20, 0, 0.0),
        ("cosine", 20, 10, 0.1),
        ("cosine", 20, 20, 0.2),
        ("cosine", 20, 60, 0.1),
        ("cosine", 20, 100, 0.0),
        ("constant", 0, 0, 0.2),
        ("constant", 0, 100, 0.2),
        ("constant", 20, 0, 0.0),
        ("constant", 20, 5, 0.05),
        ("constant", 20, 20, 0.2),
        ("constant", 20, 99, 0.2),
    ],
)
def test_rate_rises_linearly_then_stays_or_falls_as_a_half_cosine(
    schedule: str, warmup_steps: int, step: int, rate: float
) -> None:
    changes = {"learning_rate_schedule": schedule, "warmup_steps": warmup_steps}
    settings = tiny_settings("vae", **changes, steps=100)
    assert rate_at(step, optimization.adam(settings, 0.2, 100)) == pytest.approx(rate, abs=1e-7)


def test_warmup_of_several_discriminator_steps_is_as_long_as_the_generators() -> None:
    changes = {"discriminator_steps": 3, "discriminator_learning_rate": 0.3}
    model = tiny_model("gan", network="dense", warmup_steps=4, **changes)
    optimizer = model.make_optimizers()["discriminator"]
    rates = []
    for step in (0, 6, 12, 30):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([0, 0.15, 0.3, 0.3])


def test_settings_reach_adam() -> None:
    changes = {"beta_1": 0.3, "beta_2": 0.8, "gradient_clip_norm": 0.7}
    settings = tiny_settings("gan", learning_rate_schedule="constant", **changes)
    optimizer = optimization.adam(settings, 0.2, 100)
    assert float(optimizer.learning_rate) == pytest.approx(0.2)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.global_clipnorm) == (0.3, 0.8, 0.7)


# Adam

SHAPES = [(256, 256), (3,)]  # one that is updated in one pass, one that is left to Keras
STEPS = 50


def gradients() -> Iterator[list[np.ndarray]]:
    """Yields gradients of very different sizes."""
    generator = np.random.default_rng(0)
    for step in range(STEPS):
        yield [generator.standard_normal(shape) * 10.0 ** (step % 5 - 3) for shape in SHAPES]


def test_only_the_large_variable_is_updated_in_one_pass() -> None:
    large, small = (math.prod(shape) for shape in SHAPES)
    assert small < optimization.FUSED_SIZE <= large


def starts() -> list[np.ndarray]:
    return [np.random.default_rng(1).standard_normal(shape) for shape in SHAPES]


def moved_by(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
    """Returns where `optimizer` leads from the starts."""
    variables = [keras.Variable(start, dtype="float32") for start in starts()]
    optimizer.build(variables)
    for step in gradients():
        optimizer.apply([tf.constant(gradient, tf.float32) for gradient in step], variables)
    return [np.asarray(variable.value) for variable in variables]


def moved_by_hand(
    rate: float, beta_1: float, beta_2: float, clip_norm: float | None
) -> list[np.ndarray]:
    """Kingma and Ba 2015, algorithm 1 in the form before section 2.1.

    In float64, with the betas that float32 has.
    """
    beta_1, beta_2 = float(np.float32(beta_1)), float(np.float32(beta_2))
    values = starts()
    means, squares = ([np.zeros(shape) for shape in SHAPES] for _ in range(2))
    for step, of_step in enumerate(gradients(), start=1):
        norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in of_step))
        factor = min(1.0, clip_norm / norm) if clip_norm else 1.0
        alpha = rate * math.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        for index, gradient in enumerate(of_step):
            means[index] = beta_1 * means[index] + (1 - beta_1) * factor * gradient
            squares[index] = beta_2 * squares[index] + (1 - beta_2) * (factor * gradient) ** 2
            values[index] = values[index] - alpha * means[index] / (np.sqrt(squares[index]) + 1e-7)
    return values


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.9, 0.999), (0.5, 0.99), (0.0, 0.9)])
def test_adam_is_that_of_the_paper_and_of_keras(
    beta_1: float, beta_2: float, clip_norm: float | None
) -> None:
    arguments: dict[str, Any] = {"beta_1": beta_1, "beta_2": beta_2, "global_clipnorm": clip_norm}
    of_ours = moved_by(optimization.Adam(0.01, **arguments))
    of_keras = moved_by(keras.optimizers.Adam(0.01, **arguments))
    by_hand = moved_by_hand(0.01, beta_1, beta_2, clip_norm)
    for start, ours, theirs, paper in zip(starts(), of_ours, of_keras, by_hand, strict=True):
        assert np.abs(paper - start).max() > 0.01
        np.testing.assert_allclose(ours, paper, rtol=1e-6, atol=5e-7)
        # Keras computes 1 - beta_2 in float64.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=3e-6)


def test_clipping_changes_the_path() -> None:
    clipped, free = moved_by_hand(0.01, 0.9, 0.999, 0.5), moved_by_hand(0.01, 0.9, 0.999, None)
    assert np.abs(clipped[0] - free[0]).max() > 0.01


def test_scaled_losses_give_the_same_path_and_infinite_gradients_are_passed_over() -> None:
    plain, inner = (optimization.Adam(0.1, global_clipnorm=0.5) for _ in range(2))
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=1024.0)
    ends = []
    for descending in (plain, optimizer):
        variable = keras.Variable(np.full(SHAPES[0], 3.0), dtype="float32")
        descending.build([variable])
        square = lambda of=variable: {"loss": tf.reduce_sum(tf.square(of.value))}  # noqa: E731
        for _ in range(5):
            optimization.descend(square, [variable], descending)
        ends.append(np.asarray(variable.value))
    np.testing.assert_allclose(ends[0], np.full(SHAPES[0], 2.5), atol=0.01)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-6)
    optimizer.apply([tf.fill(SHAPES[0], math.inf)], [variable])
    np.testing.assert_array_equal(variable.value, ends[1])
    assert (int(optimizer.iterations), float(optimizer.dynamic_scale)) == (5, 512.0)


def test_float16_scales_the_loss() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        optimizer = optimization.adam(tiny_settings("vae"), 0.1, 12)
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(optimizer.inner_optimizer, optimization.Adam)
    assert isinstance(optimization.adam(tiny_settings("vae"), 0.1, 12), optimization.Adam)


@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_restored_optimizers_go_on_to_the_bit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimization, "FUSED_SIZE", 10)
    changes: dict[str, Any] = {"network": "dense", "warmup_steps": 2, "gradient_clip_norm": 1.0}

    def train(stops: list[int]) -> list[np.ndarray]:
        values: list[np.ndarray] = []
        first = 0
        for stop in stops:
            model = tiny_model(kind, **changes)
            batch, optimizers = batch_of(model, 4), model.make_optimizers()
            variables = all_variables(model, optimizers)
            for variable, value in zip(variables, values, strict=bool(values)):
                variable.assign(value)
            for number in range(first, stop):
                model.update(batch, step_of((3, number), number), optimizers)
            first, values = stop, [np.asarray(variable.value) for variable in variables]
        return values

    for whole, parts in zip(train([6]), train([3, 6]), strict=True):
        np.testing.assert_array_equal(whole, parts)


# Cross-entropy


def test_cross_entropy_by_hand() -> None:
    images, logits = tf.constant([0.5, 1.0, 0.0, 0.25]), tf.constant([0.0, LN3, LN3, -LN3])
    last = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    expected = [LN2, -math.log(0.75), -math.log(0.25), last]
    losses = optimization.sigmoid_cross_entropy(images, logits)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def grid() -> tuple[tf.Tensor, tf.Tensor]:
    """Returns every pair of some grey values and some logits."""
    greys, values = [0.0, 0.1, 0.5, 1.0], [-90.0, -20.0, -3.0, -0.1, 0.0, 0.1, 3.0, 20.0, 90.0]
    images, logits = np.meshgrid(greys, values)
    return tf.constant(images, tf.float32), tf.constant(logits, tf.float32)


def test_cross_entropy_and_its_gradients_are_those_of_tensorflow() -> None:
    images, logits = grid()
    results = []
    for function in (optimization.sigmoid_cross_entropy, tf.nn.sigmoid_cross_entropy_with_logits):
        with tf.GradientTape() as tape:
            tape.watch([images, logits])
            losses = function(images, logits)
            objective = tf.reduce_sum(tf.range(36.0) * tf.reshape(losses, [-1]))
        results.append((losses, *tape.gradient(objective, [images, logits])))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    "wrap", [lambda function: function, tf.function(autograph=False)], ids=["eager", "graph"]
)
def test_second_derivatives_of_the_cross_entropy(wrap: Any) -> None:
    images, logits = grid()

    @wrap
    def second() -> list[tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch([images, logits])
            with tf.GradientTape() as inner:
                inner.watch(logits)
                losses = optimization.sigmoid_cross_entropy(images, logits)
            first = inner.gradient(losses, logits)
        return outer.gradient(first, [images, logits])

    by_images, by_logits = second()
    odds = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    np.testing.assert_allclose(by_images, -np.ones_like(odds), rtol=1e-6)
    np.testing.assert_allclose(by_logits, odds * (1 - odds), atol=1e-7)
