"""Test images as a model rebuilds them: by an encoder, a translation or a search; and by PCA."""

import numpy as np
from sklearn.decomposition import PCA

from genlab.evaluation.inversion import invert
from genlab.evaluation.samples import NUM_PICTURES
from genlab.evaluation.scores import Scores
from genlab.evaluation.sources import sources
from genlab.evaluation.task import EvaluationTask, seen
from genlab.imaging.arrays import to_uint8
from genlab.measurement.evidence import Reconstructions
from genlab.settings import seeds
from genlab.trained.generators import TRANSLATION

NUM_SCATTERED = 5000
GIVES = Reconstructions


def score(task: EvaluationTask, scores: Scores) -> None:
    """Scores all test images where the model encodes or translates, a subset, and PCA."""
    source = sources(task.model.model).get(Reconstructions)
    if source != "reconstruction":
        hint = f"; see {source}" if source else ""
        scores.skip("reconstruction", Reconstructions, f"{task.model.kind} has no encoder{hint}")
    if source:
        rebuilt = REBUILD[source](task, scores)
        scores.pictures["reconstructions"] = to_uint8(rebuilt[:NUM_PICTURES])
    _score_pca(task, scores)


def _encode(task: EvaluationTask, scores: Scores) -> np.ndarray:
    rebuilt: np.ndarray = task.model.reconstruct(task.floats)
    _add("reconstruction", task, scores, rebuilt, "encoder")
    latents = task.model.encode(task.floats[:NUM_SCATTERED])
    scores.arrays["latents"] = {"latents": latents, "labels": task.real.labels[:NUM_SCATTERED]}
    subset = rebuilt[: task.settings.inversion.num_images]
    _add("reconstruction_subset", task, scores, subset, "encoder")
    return subset


def _invert(task: EvaluationTask, scores: Scores) -> np.ndarray:
    settings = task.settings.inversion
    images = task.floats[: settings.num_images]
    rebuilt = invert(task.model, images, settings, seeds.derive(task.seed, "inversion"))
    method = f"latent optimised, {settings.steps} steps (inversion)"
    _add("reconstruction_subset", task, scores, rebuilt, method)
    return rebuilt


def _translate(task: EvaluationTask, scores: Scores) -> np.ndarray:
    fields = task.model.given
    rows = task.given(fields, len(task.floats))
    seed = seeds.derive(task.seed, TRANSLATION)
    rebuilt: np.ndarray = task.model.sample(len(task.floats), seed, TRANSLATION, rows)
    if task.model.spec["inputs"].aligned:
        evidence, protocol = (
            Reconstructions(task.floats, rebuilt),
            task.protocol(len(rebuilt), fields),
        )
        scores.add(TRANSLATION, evidence, protocol, TRANSLATION)
    else:
        scores.skip(TRANSLATION, Reconstructions, "the inputs have no image of their own")
    return rebuilt


REBUILD = {
    "reconstruction": _encode,
    "reconstruction_subset": _invert,
    TRANSLATION: _translate,
}


def _score_pca(task: EvaluationTask, scores: Scores) -> None:
    """Scores the best linear autoencoder of the same latent size, fitted to the train images."""
    components = task.model.latent_dim
    rows = seen(task.model, task.train.images).reshape(len(task.train.images), -1)
    if components is None:
        scores.skip("pca", Reconstructions, f"{task.model.kind} has no latent vector")
    elif components >= min(rows.shape):
        reason = f"{components} components are no fewer than {min(rows.shape)}"
        scores.skip("pca", Reconstructions, reason)
    else:
        pca = PCA(components, random_state=task.seed).fit(rows)
        test = task.floats.reshape(len(task.floats), -1)
        rebuilt = pca.inverse_transform(pca.transform(test)).astype(np.float32)
        method = f"PCA of the train images, {components} components"
        _add("pca", task, scores, rebuilt.reshape(task.floats.shape), method)


def _add(
    source: str, task: EvaluationTask, scores: Scores, rebuilt: np.ndarray, method: str
) -> None:
    """Scores what the first test images became."""
    evidence = Reconstructions(task.floats[: len(rebuilt)], rebuilt)
    scores.add(source, evidence, task.protocol(len(rebuilt)), method)
