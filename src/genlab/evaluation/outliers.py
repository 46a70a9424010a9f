"""How strange a model finds images like its own, and images of another kind; and how they differ.

Outliers of the first choice are the test images themselves, turned or cut into blocks: they have
the same grey values, so nothing but the model's idea of a picture tells them. Beside the model
stand bars that need none: what they tell, a model need not have learned.

Deep generative models can find other data sets less strange than their own (Nalisnick et al., "Do
Deep Generative Models Know What They Don't Know?", ICLR 2019): a low score is a result. Serrà et
al., "Input Complexity and Out-of-distribution Detection with Likelihood-based Generative Models",
ICLR 2020: plain statistics of an image explain much of a likelihood.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from genlab.contract.evidence import OutlierScores, Unavailable
from genlab.evaluation.evidence_bound import evidence_bound
from genlab.evaluation.representations import choose, fit_pca, rebuild
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task, seen
from genlab.imaging.arrays import ImageShape, to_float
from genlab.imaging.binarisation import entropies
from genlab.runtime.errors import InputError
from genlab.settings import plugins, seeds

WHERE = "params.yaml: evaluation.outliers.data"
GIVES = OutlierScores
NUM_BLOCKS = 4
"""Along a side."""
Strangeness = Callable[[np.ndarray], np.ndarray]
"""From uint8 images to a number for each (n,), larger where it is stranger."""


class Scorer(NamedTuple):
    """One way to find images strange, in words, and how it comes from a task."""

    method: str
    of: Callable[[Task], Strangeness]


def score(task: Task, scores: Scores) -> None:
    """Scores how well the model, and simpler means, tell its own test images from others."""
    inliers = task.real.images
    for source, find in (("outliers", of_another_kind), ("held_out", _held_out_classes)):
        try:
            if not task.model.can("reconstruct"):
                raise Unavailable(f"{task.model.kind} has no encoder")
            name, images = find(task)
        except Unavailable as reason:
            for ending in SCORERS:
                scores.skip(f"{source}{ending}", OutlierScores, str(reason))
            continue
        protocol = task.protocol(len(inliers), outliers=name, num_outliers=len(images))
        for ending, (method, of) in SCORERS.items():
            gather = partial(_evidence, task, of, images)
            scores.gather(f"{source}{ending}", OutlierScores, gather, protocol, method)


def _evidence(task: Task, of: Callable[[Task], Strangeness], images: np.ndarray) -> OutlierScores:
    strangeness = of(task)
    return OutlierScores(strangeness(task.real.images), strangeness(images))


# How strange an image is


def by_error(task: Task) -> Strangeness:
    """Returns the squared error of a model's reconstructions, summed over pixels."""

    def strangeness(images: np.ndarray) -> np.ndarray:
        floats = seen(task.model, images)
        return _squared_errors(floats, task.model.reconstruct(floats))

    return strangeness


def by_bound(task: Task) -> Strangeness:
    """Returns the negative ELBO at one draw, less the entropy of the grey values.

    The entropy is no judgement of the model's: see metrics/negative_elbo.py.
    """

    def strangeness(images: np.ndarray) -> np.ndarray:
        bound = evidence_bound(task.model, images, task.seed)
        return bound.reconstruction_losses + bound.kls.sum(axis=1) - bound.entropies

    return strangeness


def by_pca(task: Task) -> Strangeness:
    """Returns the squared error of PCA of the model's latent size, summed over pixels."""
    pca = fit_pca(task.model, task.train.images, task.seed)

    def strangeness(images: np.ndarray) -> np.ndarray:
        floats = seen(task.model, images)
        return _squared_errors(floats, rebuild(pca, floats))

    return strangeness


def by_entropy(task: Task) -> Strangeness:
    """Returns how far the entropy of the grey values is from what is usual in train."""
    return _unusual(task, lambda images: entropies(to_float(images)))


def by_ink(task: Task) -> Strangeness:
    """Returns how far the share of pixels that are not black is from what is usual in train."""
    return _unusual(task, lambda images: np.mean(np.asarray(images) > 0, axis=(1, 2, 3)))


SCORERS = {
    "": Scorer("squared reconstruction error", by_error),
    "_bound": Scorer("negative ELBO above the grey values' entropy, 1 draw", by_bound),
    "_pca": Scorer("squared error of PCA of the same latent size", by_pca),
    "_entropy": Scorer("grey values' entropy, distance to train's median", by_entropy),
    "_ink": Scorer("share of pixels that are not black, distance to train's median", by_ink),
}
"""By the ending of the source's name; the last three know nothing of the model."""


def _unusual(task: Task, statistic: Strangeness) -> Strangeness:
    seed = seeds.derive(task.seed, "outliers")
    some = choose(task.train, task.settings.representations.num_train, seed)
    usual = np.median(statistic(some.images))
    return lambda images: np.abs(statistic(images) - usual)


def _squared_errors(images: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    return np.square(images - rebuilt).sum(axis=(1, 2, 3))


# Images of another kind


def of_another_kind(task: Task) -> tuple[str, np.ndarray]:
    """Returns images as `evaluation.outliers.data` says, and what they are in words.

    Raises:
        InputError: There is no such data set, or it needs files.
        Unavailable: Nothing is named, or the model's own data set.
    """
    name = task.settings.outliers.data
    if name is None:
        raise Unavailable("no images of another kind are named")
    if name not in DERIVED:
        return _another_data_set(task, name)
    what, change = DERIVED[name]
    return f"the test images, {what}", change(np.asarray(task.real.images))


def check(name: str, where: str) -> None:
    """Raises an InputError if a name is neither a change of the test images nor a data set."""
    plugins.check_among(name, [*DERIVED, *plugins.names("datasets")], where, where)


def turned(images: np.ndarray) -> np.ndarray:
    """Returns images (n, height, width, channels) by a quarter to the left, or by half a turn."""
    is_square = images.shape[1] == images.shape[2]
    return np.rot90(images, 1 if is_square else 2, axes=(1, 2))


def permuted(images: np.ndarray) -> np.ndarray:
    """Returns images whose blocks, `NUM_BLOCKS` along a side, have random places, in each others.

    What is left over at the right and at the bottom stays.
    """
    number, size, result = len(images), NUM_BLOCKS, images.copy()
    height, width = (side // size for side in images.shape[1:3])
    part = np.s_[:, : size * height, : size * width]
    shape = (number, size, height, size, width, images.shape[3])
    blocks = images[part].reshape(shape).swapaxes(2, 3).reshape(number, size**2, -1)
    places = np.tile(np.arange(size**2), (number, 1))
    places = np.random.default_rng(0).permuted(places, axis=1)[..., None]
    mixed = np.take_along_axis(blocks, places, axis=1)
    mixed = mixed.reshape(number, size, size, height, width, -1).swapaxes(2, 3)
    result[part] = mixed.reshape(result[part].shape)
    return result


DERIVED: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "turned": ("turned by a quarter, or by half if they are not square", turned),
    "permuted": (f"their {NUM_BLOCKS} x {NUM_BLOCKS} blocks permuted, seed 0", permuted),
}
"""What is made of the test images, in words, and how."""


def _another_data_set(task: Task, name: str) -> tuple[str, np.ndarray]:
    check(name, WHERE)
    dataset = plugins.find("datasets", name, WHERE)
    if dataset.FILES != ():
        expected = f"{WHERE} must be a data set that needs no files (digits, photo_patches)"
        raise InputError(expected, repr(name), f"See {WHERE}")
    if name == task.description["name"]:
        raise Unavailable("the outliers would be of the model's own data set")
    images = dataset.read(Path(), task.params.data, task.seed).test["images"]
    brought = [bring_to(image, task.model.image_shape) for image in images]
    return f"{name}, brought to the shape bilinearly", np.stack(brought)


def _held_out_classes(task: Task) -> tuple[list[str], np.ndarray]:
    if not len(task.held_out.labels):
        raise Unavailable("no class was held out (params.yaml: data.held_out_classes)")
    return task.description["held_out_classes"], task.held_out.images


def bring_to(image: np.ndarray, image_shape: ImageShape) -> np.ndarray:
    """Returns one uint8 image in another shape, resized bilinearly.

    Grey ones become colour by repetition, colour ones grey by Rec. 601 luma.
    """
    height, width, channels = image_shape
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture = picture.convert("L" if channels == 1 else "RGB")
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(image_shape)
