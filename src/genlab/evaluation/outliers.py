"""How strange a model finds images that it was trained on the like of, and images of another kind.

Deep generative models can find other data sets less strange than their own (Nalisnick et al., "Do Deep Generative
Models Know What They Don't Know?", ICLR 2019): a low score here is a finding, not a fault of the measurement.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from genlab.contract.capabilities import HasPosterior
from genlab.evaluation.evidence_bound import evidence_bound
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.imaging.arrays import ImageShape, to_float
from genlab.measurement.evidence import OutlierScores, Unavailable
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import Data
from genlab.trained.model import TrainedModel

WHERE = "params.yaml: evaluation.outliers.data"
GIVES = OutlierScores


def score(task: Task, scores: Scores) -> None:
    """Scores how well the model tells its own test images from another data set's, and from a class it never saw."""
    for source, choose in (("outliers", _others), ("held_out", _held_out)):
        try:
            name, images = choose(task)
            evidence = outlier_scores(task.model, task.real.images, images, task.seed)
        except Unavailable as reason:
            scores.skip(source, OutlierScores, str(reason))
            continue
        protocol = task.protocol(len(task.real.labels), outliers=name, num_outliers=len(images))
        scores.add(source, evidence, protocol, method(task.model))


def _others(task: Task) -> tuple[str, np.ndarray]:
    name = task.settings.outliers.data
    images = images_of(
        name, task.description["name"], task.model.image_shape, task.params.data, task.seed
    )
    return f"{name}, brought to the shape bilinearly", images


def _held_out(task: Task) -> tuple[list[str], np.ndarray]:
    if not len(task.held_out.labels):
        raise Unavailable("no class was held out (params.yaml: data.held_out_classes)")
    return task.description["held_out_classes"], task.held_out.images


def outlier_scores(
    model: TrainedModel, inliers: np.ndarray, outliers: np.ndarray, seed: int
) -> OutlierScores:
    """Returns the strangeness of uint8 images like the model's own, and of others of the same shape.

    Raises:
        Unavailable: The model gives no image a score.
    """
    return OutlierScores(strangeness(model, inliers, seed), strangeness(model, outliers, seed))


def strangeness(model: TrainedModel, images: np.ndarray, seed: int) -> np.ndarray:
    """Returns one number per uint8 image (n,), larger where it is stranger.

    With a posterior it is the negative ELBO at one draw, in nats; else with an encoder the squared error of the
    reconstruction, summed over pixels.

    Raises:
        Unavailable: The model has no encoder.
    """
    if isinstance(model.model, HasPosterior):
        bound = evidence_bound(model, images, seed)
        return bound.reconstruction_losses + bound.kls.sum(axis=1)
    if not model.can("reconstruct"):
        raise Unavailable(f"{model.settings['kind']} has no encoder")
    floats = to_float(model.as_seen(np.asarray(images)))
    return np.square(floats - model.reconstruct(floats)).sum(axis=(1, 2, 3))


def method(model: TrainedModel) -> str:
    """Returns what `strangeness` is for this model, in words."""
    return (
        "negative ELBO, 1 draw"
        if isinstance(model.model, HasPosterior)
        else "squared reconstruction error"
    )


def images_of(
    name: str | None, own: str, image_shape: ImageShape, data: Data, seed: int
) -> np.ndarray:
    """Returns the test images of another data set, brought to `image_shape`, uint8 (n, height, width, channels).

    Grey ones become colour by repetition, colour ones grey by Rec. 601 luma; then they are resized, bilinearly.

    Args:
        name: A data set that lies inside a package: it needs no file.
        own: The data set that the model was trained on.
        image_shape: Of the model's images.
        data: For the share of test images.
        seed: Chooses the test split.

    Raises:
        InputError: There is no such data set, or it needs files.
        Unavailable: No data set is named, or the model's own.
    """
    if name is None:
        raise Unavailable("no data set of outliers is named")
    dataset = plugins.find("datasets", name, WHERE)
    if dataset.FILES != ():
        raise InputError(
            f"{WHERE} must be a data set that needs no files (digits, photo_patches)",
            f"{name!r}",
            f"See {WHERE}",
        )
    if name == own:
        raise Unavailable("the outliers would be of the model's own data set")
    test = dataset.read(Path(), data, seed).test["images"]
    return np.stack([bring_to(image, image_shape) for image in test])


def bring_to(image: np.ndarray, image_shape: ImageShape) -> np.ndarray:
    """Returns one uint8 image in another shape."""
    height, width, channels = image_shape
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert(
        "L" if channels == 1 else "RGB"
    )
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)).reshape(
        image_shape
    )
