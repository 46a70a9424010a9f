"""Test images as a model rebuilds them: by an encoder, a translation or a search; and by PCA."""

from typing import Any

import numpy as np

from genlab.contract.evidence import Reconstructions, Unavailable
from genlab.evaluation.inversion import invert
from genlab.evaluation.representations import fit_pca, rebuild
from genlab.evaluation.samples import NUM_PICTURES, generate
from genlab.evaluation.scores import Scores
from genlab.evaluation.sources import sources
from genlab.evaluation.task import Task
from genlab.imaging.arrays import to_uint8
from genlab.settings import seeds
from genlab.trained.generators import TRANSLATION

NUM_SCATTERED = 5000
GIVES = Reconstructions
ENCODED, SEARCHED = "reconstruction", "inversion"


def score(task: Task, scores: Scores) -> None:
    """Scores what the model rebuilds in its own way, and what PCA does."""
    source = sources(task.model.model).get(Reconstructions)
    scores.pictures["originals"] = task.model.as_seen(task.real.images[task.subset[:NUM_PICTURES]])
    if source != ENCODED:
        hint = f"; see {source}" if source else ""
        scores.skip(ENCODED, Reconstructions, f"{task.model.kind} has no encoder{hint}")
    if source:
        rebuilt = REBUILD[source](task, scores)
        scores.pictures["reconstructions"] = to_uint8(rebuilt[:NUM_PICTURES])
    _score_pca(task, scores)


def search(task: Task, scores: Scores) -> None:
    """Scores the search on models that rebuild in another way, so that all that decode have it."""
    if sources(task.model.model).get(Reconstructions) == SEARCHED:
        return
    try:
        _invert(task, scores)
    except Unavailable as reason:
        scores.skip(SEARCHED, Reconstructions, str(reason))


def _encode(task: Task, scores: Scores) -> np.ndarray:
    rebuilt: np.ndarray = task.model.reconstruct(task.floats)
    _add(ENCODED, task, scores, rebuilt, "encoder")
    latents = task.model.encode(task.floats[:NUM_SCATTERED])
    scores.arrays["latents"] = {"latents": latents, "labels": task.real.labels[:NUM_SCATTERED]}
    return rebuilt[task.subset]


def _invert(task: Task, scores: Scores) -> np.ndarray:
    settings, images = task.settings.inversion, task.floats[task.subset]
    rebuilt = invert(task.model, images, settings, seeds.derive(task.seed, "inversion"))
    facts = settings.model_dump(mode="json", exclude={"num_images"})
    protocol = task.protocol(len(images), search=facts | {"optimizer": "adam, cosine"})
    method = f"latent optimised, {settings.steps} steps (inversion)"
    scores.add(SEARCHED, Reconstructions(images, rebuilt), protocol, method)
    return rebuilt


def _translate(task: Task, scores: Scores) -> np.ndarray:
    seed = seeds.derive(task.seed, TRANSLATION)
    rebuilt = generate(task, TRANSLATION, len(task.floats), seed)
    if task.model.spec["inputs"].aligned:
        _add(TRANSLATION, task, scores, rebuilt, TRANSLATION, given=task.model.given)
    else:
        scores.skip(TRANSLATION, Reconstructions, "the inputs have no images of their own")
    return rebuilt[task.subset]


REBUILD = {ENCODED: _encode, SEARCHED: _invert, TRANSLATION: _translate}
"""By the source that `sources` names; each returns what became of the images of `task.subset`."""


def _score_pca(task: Task, scores: Scores) -> None:
    """Scores the best linear autoencoder of the same latent size, fitted to the train images."""
    try:
        pca = fit_pca(task.model, task.train.images, task.seed)
    except Unavailable as reason:
        scores.skip("pca", Reconstructions, str(reason))
        return
    method = f"PCA of the train images, {task.model.latent_dim} components"
    _add("pca", task, scores, rebuild(pca, task.floats), method)


def _add(
    source: str, task: Task, scores: Scores, rebuilt: np.ndarray, method: str, **given: Any
) -> None:
    """Scores what all test images became."""
    evidence = Reconstructions(task.floats, rebuilt)
    scores.add(source, evidence, task.protocol(len(rebuilt), **given), method)
