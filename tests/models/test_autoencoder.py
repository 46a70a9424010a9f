"""The autoencoder's formulas, by hand. sigmoid(0, ln 3, -ln 3) = 1/2, 3/4, 1/4."""

import math
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import as_grey_rows, batch_of, floats_of, tiny_model

from genlab.models import autoencoder

TINY = {"latent_dim": 3, "widths": [5, 4], "filters": [2, 3]}
NUM_PARAMETERS = [  # by hand, of images (8, 8, 1) and (32, 32, 3)
    ({"network": "dense"}, (789, 33877)),
    ({"network": "convolutional"}, (379, 1949)),
]
LEARNS = {"network": "dense", "widths": [16, 16], "learning_rate": 0.01}

LN2, LN3 = math.log(2), math.log(3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l2", (0 + 1 / 16 + 1 / 16 + 1 / 16) / 2),
        ("l1", (0 + 1 / 4 + 1 / 4 + 1 / 4) / 2),
        ("bce", (LN2 - math.log(0.75) - math.log(0.75) + LN2) / 2),
    ],
)
def test_reconstruction_losses(name: str, expected: float) -> None:
    images = as_grey_rows([0.5, 1.0], [0.0, 0.25])
    logits = as_grey_rows([0.0, LN3], [-LN3, 0.0])
    loss = autoencoder.RECONSTRUCTION_LOSSES[name](images, logits)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_every_reconstruction_loss_is_a_setting() -> None:
    allowed = get_args(autoencoder.Settings.model_fields["reconstruction_loss"].annotation)
    assert set(allowed) == set(autoencoder.RECONSTRUCTION_LOSSES) == {"l2", "l1", "bce"}


def test_sparsity_sums_over_dimensions_and_averages_over_the_batch() -> None:
    penalty = autoencoder.sparsity(tf.constant([[1.0, -2.0], [0.0, 0.5]]))
    assert float(penalty) == pytest.approx((3 + 0.5) / 2)


def test_terms_are_weighted() -> None:
    weights = {"reconstruction_weight": 2.0, "sparsity_weight": 0.25}
    model = tiny_model("autoencoder", network="dense", **weights)
    batch = batch_of(model, 4)
    losses = floats_of(model.compute_losses(batch, (3, 5)))
    rebuilt = model.decode(model.encode(batch["images"]))
    by_hand = np.square(batch["images"] - rebuilt).sum() / 4
    assert losses["reconstruction_loss"] == pytest.approx(by_hand, rel=1e-5)
    weighted = 2 * losses["reconstruction_loss"] + 0.25 * losses["sparsity"]
    assert losses["loss"] == pytest.approx(weighted, rel=1e-5)
