"""Test images as a model rebuilds them: by its encoder, or else by search; and as PCA of the same size does."""

import numpy as np
from sklearn.decomposition import PCA

from genlab.evaluation.inversion import invert
from genlab.evaluation.samples import NUM_PICTURES
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_float, to_uint8
from genlab.measurement.evidence import Reconstructions
from genlab.settings import seeds

NUM_SCATTERED = 5000
GIVES = Reconstructions


def score(task: Task, scores: Scores) -> None:
    """Scores all test images where the model encodes, a subset for every model, and PCA."""
    number = task.settings.inversion.num_images
    subset = task.floats[:number]
    rebuilt: np.ndarray
    if task.model.can("encode"):
        rebuilt, method = task.model.reconstruct(task.floats), "encoder"
        scores.add(
            "reconstruction",
            Reconstructions(task.floats, rebuilt),
            task.protocol(len(rebuilt)),
            method,
        )
        rebuilt = rebuilt[:number]
        latents = task.model.encode(task.floats[:NUM_SCATTERED])
        scores.arrays["latents"] = {"latents": latents, "labels": task.real.labels[:NUM_SCATTERED]}
    else:
        scores.skip(
            "reconstruction",
            Reconstructions,
            f"{task.kind} has no encoder; see reconstruction_subset",
        )
        rebuilt = invert(
            task.model, subset, task.settings.inversion, seeds.derive(task.seed, "inversion")
        )
        method = f"latent optimised, {task.settings.inversion.steps} steps (inversion)"
    scores.add(
        "reconstruction_subset",
        Reconstructions(subset, rebuilt),
        task.protocol(len(subset)),
        method,
    )
    scores.pictures["reconstructions"] = to_uint8(rebuilt[:NUM_PICTURES])
    _score_pca(task, scores)


def _score_pca(task: Task, scores: Scores) -> None:
    """Scores the best linear autoencoder of the same latent size, fitted to the train images."""
    train = to_float(task.model.as_seen(np.asarray(task.train.images))).reshape(
        len(task.train.images), -1
    )
    components = task.model.latent_dim or 0
    if components >= min(train.shape):
        scores.skip(
            "pca", Reconstructions, f"{components} components are no fewer than {min(train.shape)}"
        )
        return
    pca = PCA(components, random_state=task.seed).fit(train)
    rows = task.floats.reshape(len(task.floats), -1)
    rebuilt = (
        pca.inverse_transform(pca.transform(rows)).reshape(task.floats.shape).astype(np.float32)
    )
    method = f"PCA of the train images, {components} components"
    scores.add("pca", Reconstructions(task.floats, rebuilt), task.protocol(len(rows)), method)
