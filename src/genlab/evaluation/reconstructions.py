"""Test images as a model rebuilds them: by an encoder, a translation or a search; and by PCA."""

import numpy as np

from genlab.contract.evidence import Reconstructions, Unavailable
from genlab.evaluation.inversion import NO_SEARCH, invert
from genlab.evaluation.representations import fit_pca, rows
from genlab.evaluation.samples import NUM_PICTURES, generate
from genlab.evaluation.scores import Scores
from genlab.evaluation.sources import sources
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_uint8
from genlab.settings import seeds
from genlab.trained.generators import TRANSLATION

NUM_SCATTERED = 5000
GIVES = Reconstructions
ENCODED, SUBSET = "reconstruction", "reconstruction_subset"


def score(task: Task, scores: Scores) -> None:
    """Scores all test images where the model encodes or translates, a subset, and PCA."""
    source = sources(task.model.model).get(Reconstructions)
    if source != ENCODED:
        hint = f"; see {source}" if source else ""
        scores.skip(ENCODED, Reconstructions, f"{task.model.kind} has no encoder{hint}")
    if source not in (ENCODED, SUBSET):
        scores.skip(SUBSET, Reconstructions, f"{task.model.kind} {NO_SEARCH}")
    if source:
        rebuilt = REBUILD[source](task, scores)
        scores.pictures["reconstructions"] = to_uint8(rebuilt[:NUM_PICTURES])
    _score_pca(task, scores)


def _encode(task: Task, scores: Scores) -> np.ndarray:
    rebuilt: np.ndarray = task.model.reconstruct(task.floats)
    _add(ENCODED, task, scores, rebuilt, "encoder")
    latents = task.model.encode(task.floats[:NUM_SCATTERED])
    scores.arrays["latents"] = {"latents": latents, "labels": task.real.labels[:NUM_SCATTERED]}
    subset = rebuilt[: task.settings.inversion.num_images]
    _add(SUBSET, task, scores, subset, "encoder")
    return subset


def _invert(task: Task, scores: Scores) -> np.ndarray:
    settings = task.settings.inversion
    images = task.floats[: settings.num_images]
    rebuilt = invert(task.model, images, settings, seeds.derive(task.seed, "inversion"))
    method = f"latent optimised, {settings.steps} steps (inversion)"
    _add(SUBSET, task, scores, rebuilt, method)
    return rebuilt


def _translate(task: Task, scores: Scores) -> np.ndarray:
    seed = seeds.derive(task.seed, TRANSLATION)
    rebuilt = generate(task, TRANSLATION, len(task.floats), seed)
    if task.model.spec["inputs"].aligned:
        _add(TRANSLATION, task, scores, rebuilt, TRANSLATION, task.model.given)
    else:
        scores.skip(TRANSLATION, Reconstructions, "the inputs have no images of their own")
    return rebuilt


REBUILD = {ENCODED: _encode, SUBSET: _invert, TRANSLATION: _translate}
"""By the source that `sources` names."""


def _score_pca(task: Task, scores: Scores) -> None:
    """Scores the best linear autoencoder of the same latent size, fitted to the train images."""
    try:
        pca = fit_pca(task.model, task.train.images, task.seed)
    except Unavailable as reason:
        scores.skip("pca", Reconstructions, str(reason))
        return
    rebuilt = pca.inverse_transform(pca.transform(rows(task.floats))).astype(np.float32)
    method = f"PCA of the train images, {task.model.latent_dim} components"
    _add("pca", task, scores, rebuilt.reshape(task.floats.shape), method)


def _add(
    source: str,
    task: Task,
    scores: Scores,
    rebuilt: np.ndarray,
    method: str,
    given: tuple[str, ...] = (),
) -> None:
    """Scores what the first test images became."""
    evidence = Reconstructions(task.floats[: len(rebuilt)], rebuilt)
    scores.add(source, evidence, task.protocol(len(rebuilt), given), method)
