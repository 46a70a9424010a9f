"""Noise of a whole batch, of which each device takes its rows."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from genlab.networks import noise

SEED = (3, 5)


def test_one_device_draws_what_tensorflow_draws() -> None:
    np.testing.assert_array_equal(
        noise.normal(6, (2, 3), SEED), tf.random.stateless_normal((6, 2, 3), SEED)
    )
    np.testing.assert_array_equal(
        noise.uniform(6, (2,), SEED), tf.random.stateless_uniform((6, 2), SEED)
    )
    draws = noise.uniform(6, (2,), SEED, -1.0, 1.0)
    np.testing.assert_array_equal(draws, tf.random.stateless_uniform((6, 2), SEED, -1.0, 1.0))


@pytest.mark.parametrize("draw", [noise.normal, noise.uniform])
def test_devices_share_the_noise_of_one(draw: object, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(6, (4,), SEED)  # type: ignore[operator]
    parts = []
    for replica in range(3):
        context = SimpleNamespace(
            num_replicas_in_sync=3, replica_id_in_sync_group=tf.constant(replica)
        )
        monkeypatch.setattr(tf.distribute, "get_replica_context", lambda context=context: context)
        parts.append(draw(tf.constant(2), (4,), SEED))  # type: ignore[operator]
    assert [part.shape for part in parts] == [(2, 4)] * 3
    np.testing.assert_array_equal(tf.concat(parts, axis=0), whole)


def test_outside_of_a_step_the_noise_is_whole() -> None:
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        assert tf.distribute.get_replica_context() is None
        np.testing.assert_array_equal(
            noise.normal(6, (2,), SEED), tf.random.stateless_normal((6, 2), SEED)
        )


@pytest.mark.parametrize(
    ("prior", "deviation", "bound"), [("normal", 1.0, np.inf), ("uniform", 3**-0.5, 1.0)]
)
def test_priors(prior: str, deviation: float, bound: float) -> None:
    draws = np.asarray(noise.draw(5000, (3,), SEED, prior))
    assert draws.shape == (5000, 3)
    assert draws.mean() == pytest.approx(0, abs=0.05)
    assert draws.std() == pytest.approx(deviation, rel=0.03)
    assert np.abs(draws).max() <= bound


def test_other_seeds_have_noise_of_their_own() -> None:
    seeds = [
        SEED,
        *(noise.other_seed(SEED, number) for number in (0, 1)),
        noise.other_seed((3, 6), 0),
    ]
    draws = [noise.normal(1000, (), seed) for seed in seeds]
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.15
