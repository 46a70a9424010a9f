"""Images from noise and givens: drawn once, in fixed batches, checked at the door."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import all_kinds, random_fields, tiny_spec

from genlab.contract.fields import Field
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.trained.generators import BATCH_SIZE, Generator, draw_noise
from genlab.trained.givens import given_arrays

SHAPE = (8, 6, 3)
SOURCES = {
    "autoencoder": ["fitted"],
    "vae": ["prior", "fitted"],
    "gan": ["prior"],
    "conditional": ["prior"],
    "flow": ["prior"],
    "translator": ["translation"],
}


@pytest.mark.parametrize("shape", [(), (3,), (4, 5, 2)])
@pytest.mark.parametrize(
    ("prior", "deviation", "bound"), [("normal", 1.0, np.inf), ("uniform", 3**-0.5, 1.0)]
)
def test_noise_is_drawn_from_the_prior(
    shape: tuple[int, ...], prior: str, deviation: float, bound: float
) -> None:
    noise = draw_noise(5000, shape, prior, seed=3)
    assert (noise.shape, noise.dtype) == ((5000, *shape), np.float32)
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.std() == pytest.approx(deviation, rel=0.03)
    assert np.abs(noise).max() <= bound
    np.testing.assert_array_equal(draw_noise(7, shape, prior, seed=3), noise[:7])
    assert not np.array_equal(draw_noise(7, shape, prior, seed=4), noise[:7])


def test_sources(folders: dict[str, Path]) -> None:
    assert {kind: trained_model.load(folders[kind]).sources() for kind in SOURCES} == SOURCES


@pytest.mark.parametrize("kind", all_kinds())
def test_samples_are_the_models_own_and_do_not_depend_on_their_number(
    folders: dict[str, Path], kind: str
) -> None:
    model = trained_model.load(folders[kind])
    fields = random_fields(230, SHAPE)
    for source, generator in model.generators().items():
        given = {name: fields[name] for name in generator.given}
        many = model.sample(230, 5, source, given)
        assert (many.shape, many.dtype) == ((230, *SHAPE), np.float32)
        for number in (1, 3, 101):
            part = {name: array[:number] for name, array in given.items()}
            np.testing.assert_array_equal(model.sample(number, 5, source, part), many[:number])
        differs = not np.array_equal(generator.sample(230, 6, given), many)
        assert differs == (generator.draw(1, 0).size > 1), "a translator draws nothing"
        noise = generator.draw(230, 5)
        np.testing.assert_array_equal(generator.of_noise(noise, given), many)
        if source == "fitted":
            expected = model.model.decode(noise)
        else:
            batch = {name: tf.cast(array, tf.int32) for name, array in given.items()}
            if "inputs" in given:
                batch["inputs"] = tf.cast(given["inputs"], tf.float32) / 255
            expected = model.model.generate(tf.constant(noise), batch)
        np.testing.assert_allclose(many, expected, atol=1e-6)


def test_every_batch_has_one_shape() -> None:
    shapes = []

    def compute(noise: tf.Tensor, given: Any) -> tf.Tensor:
        shapes.append((noise.shape, given["labels"].shape, given["labels"].dtype))
        return (
            noise[:, None, None, None] + tf.cast(given["labels"], tf.float32)[:, None, None, None]
        )

    generator = Generator(
        compute, lambda number, seed: np.arange(number, dtype=np.float32), ("labels",), tiny_spec()
    )
    images = generator.sample(250, 0, {"labels": np.arange(250) % 2})
    np.testing.assert_array_equal(images.ravel(), np.arange(250) + np.arange(250) % 2)
    assert shapes == [((BATCH_SIZE,), (BATCH_SIZE,), tf.int32)], "compiled once"


# What images are given

SPEC = {
    "labels": Field((), "label", ("cat", "dog", "7")),
    "inputs": Field((2, 2, 1), "image"),
    "factors": Field((2,), "factors"),
}
PICTURES = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("labels", 1, [1, 1, 1]),
        ("labels", "dog", [1, 1, 1]),
        ("labels", ["dog", 0, "2"], [1, 0, 2]),
        ("labels", np.array([2, 0, 1], np.int32), [2, 0, 1]),
        ("labels", "7", [2, 2, 2]),  # a class name goes before a number
        ("inputs", PICTURES, PICTURES),
        ("inputs", PICTURES[1], [PICTURES[1]] * 3),
        ("factors", [0.5, 1], [[0.5, 1]] * 3),
    ],
)
def test_givens_are_one_for_all_or_one_each(name: str, values: Any, expected: Any) -> None:
    array = given_arrays((name,), SPEC, 3, {name: values})[name]
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == {"labels": np.int64, "inputs": np.uint8, "factors": np.float32}[name]


@pytest.mark.parametrize(
    ("names", "given", "expected", "received"),
    [
        (("labels",), {}, "the model must be given labels", "nothing"),
        ((), {"labels": 1}, "the model must be given nothing", "labels"),
        (
            ("labels",),
            {"labels": 1, "inputs": 2},
            "the model must be given labels",
            "labels, inputs",
        ),
        (
            ("labels",),
            {"labels": "doc"},
            "labels must be among cat, dog, 7 (nearest: 'dog')",
            "doc",
        ),
        (("labels",), {"labels": 3}, "labels must be among cat, dog, 7", "3"),
        (("labels",), {"labels": -1}, "labels must be among cat, dog, 7", "-1"),
        (("labels",), {"labels": [0, 1]}, "labels must have the shape (3,)", "(2,)"),
        (
            ("inputs",),
            {"inputs": PICTURES[:2]},
            "inputs must have the shape (3, 2, 2, 1)",
            "(2, 2, 2, 1)",
        ),
        (("inputs",), {"inputs": PICTURES / 255}, "inputs must be uint8", "float64"),
    ],
)
def test_wrong_givens_are_refused(
    names: tuple[str, ...], given: dict[str, Any], expected: str, received: str
) -> None:
    with pytest.raises(InputError) as caught:
        given_arrays(names, SPEC, 3, given)
    assert (caught.value.expected, caught.value.received) == (expected, received)
