"""How strange a model finds images like its own, and images of another kind.

Deep generative models can find other data sets less strange than their own (Nalisnick et al., "Do
Deep Generative Models Know What They Don't Know?", ICLR 2019): a low score is a result.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from genlab.contract.capabilities import HasPosterior
from genlab.contract.evidence import OutlierScores, Unavailable
from genlab.evaluation.evidence_bound import evidence_bound
from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task, seen
from genlab.imaging.arrays import ImageShape
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.trained.model import TrainedModel

WHERE = "params.yaml: evaluation.outliers.data"
GIVES = OutlierScores


def score(task: Task, scores: Scores) -> None:
    """Scores how well the model tells its own test images from others."""
    inliers = task.real.images
    for source, choose in (("outliers", another_data_set), ("held_out", _held_out_classes)):
        try:
            name, images = choose(task)
            strange = [strangeness(task.model, part, task.seed) for part in (inliers, images)]
        except Unavailable as reason:
            scores.skip(source, OutlierScores, str(reason))
        else:
            protocol = task.protocol(len(inliers), outliers=name, num_outliers=len(images))
            scores.add(source, OutlierScores(*strange), protocol, method(task.model))


def strangeness(model: TrainedModel, images: np.ndarray, seed: int) -> np.ndarray:
    """Returns one number per uint8 image (n,), larger where it is stranger.

    With a posterior it is the negative ELBO at one draw, in nats; else the squared error of the
    reconstruction, summed over pixels.

    Raises:
        Unavailable: The model has no encoder.
    """
    if isinstance(model.model, HasPosterior):
        bound = evidence_bound(model, images, seed)
        return bound.reconstruction_losses + bound.kls.sum(axis=1)
    if not model.can("reconstruct"):
        raise Unavailable(f"{model.kind} has no encoder")
    floats = seen(model, images)
    return np.square(floats - model.reconstruct(floats)).sum(axis=(1, 2, 3))


def method(model: TrainedModel) -> str:
    """Returns what `strangeness` is for this model, in words."""
    has_posterior = isinstance(model.model, HasPosterior)
    return "negative ELBO, 1 draw" if has_posterior else "squared reconstruction error"


def another_data_set(task: Task) -> tuple[str, np.ndarray]:
    """Returns the test images of another data set in the shape of the model's, and its name.

    Raises:
        InputError: There is no such data set, or it needs files.
        Unavailable: No data set is named, or the model's own.
    """
    name = task.settings.outliers.data
    if name is None:
        raise Unavailable("no data set of outliers is named")
    dataset = plugins.find("datasets", name, WHERE)
    if dataset.FILES != ():
        raise InputError(
            f"{WHERE} must be a data set that needs no files (digits, photo_patches)",
            repr(name),
            f"See {WHERE}",
        )
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
