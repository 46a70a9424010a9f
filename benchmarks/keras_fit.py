"""Plain Keras, `compile` and `fit` on a `tf.data` pipeline: `python -m benchmarks.keras_fit vae`.

The step is that of `bare_loop`, as the `train_step` of a `keras.Model`; `compile` has its defaults.
"""

import time
from typing import Any

import keras
import tensorflow as tf

from benchmarks import bare_loop, timing
from benchmarks.contestant import Task, main

SHUFFLE_BUFFER = 10_000


class Trainer(keras.Model):
    """Makes the step of `bare_loop` for `fit`."""

    def __init__(self, step: bare_loop.Step):
        super().__init__()
        self._step = step
        self.built = True

    def train_step(self, data: tf.Tensor) -> dict[str, Any]:
        """Makes one step on a batch of images."""
        return {"loss": self._step(data, tf.random.uniform((2,), maxval=2**31 - 1, dtype=tf.int32))}


class Stopwatch(keras.callbacks.Callback):
    """Times batches from the end of the warm-up, then stops the training."""

    def __init__(self, task: Task):
        super().__init__()
        self.result: dict[str, float] = {}
        self._task = task
        self._batches = 0
        self._watch: timing.Watch | None = None
        self._warm_at = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Starts, counts or stops."""
        now = time.perf_counter()
        if not self.result:
            self.result["first_step_seconds"] = now - self._task.started
            self._warm_at = now + timing.WARM_UP_SECONDS
        elif self._watch:
            self._batches += 1
            if self._watch.seconds >= self._task.seconds:
                self.result |= self._watch.speed(self._batches * self._task.batch_size)
                self.model.stop_training = True
        elif now > self._warm_at:
            self._watch = timing.Watch()


def run(task: Task) -> dict[str, Any]:
    """Fits until the time is over."""
    trainer, stopwatch = Trainer(bare_loop.make_step(task)), Stopwatch(task)
    trainer.compile()

    def as_float(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(images, tf.float32) / 255.0

    batches = (
        tf.data.Dataset.from_tensor_slices(task.read_images())
        .shuffle(SHUFFLE_BUFFER)
        .batch(task.batch_size, drop_remainder=True)
        .map(as_float, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    trainer.fit(batches, epochs=1_000_000, verbose=0, callbacks=[stopwatch])
    return stopwatch.result


if __name__ == "__main__":
    main(run)
