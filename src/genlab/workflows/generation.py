"""Images from a trained model, written to files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genlab.datasets import image_folder
from genlab.imaging import arrays
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.trained import model as trained_model
from genlab.trained.generators import TRANSLATION
from genlab.trained.givens import labels_of
from genlab.trained.model import TrainedModel


@dataclass(frozen=True)
class Order:
    """How many images are wanted, and of what.

    Attributes:
        num_images: At least 1.
        seed: Same seed, same images.
        source: `prior` or `fitted`; None: the model's first one.
        labels: Of a conditional model: numbers or names of classes, which take turns; `balanced`: all
            classes take turns; () for another model.
    """

    num_images: int
    seed: int = 0
    source: str | None = None
    labels: tuple[str, ...] = ()


def generate(folder: Path, order: Order, out: Path) -> None:
    """Writes samples of the trained model in `folder`: to an .npz, or as PNGs into a folder.

    Raises:
        InputError: There is no such model, it cannot give what is wanted, or `out` cannot be written.
    """
    with _writing(out, folder_too=True) as building:
        model = trained_model.load(folder)
        given = _labels(model, order) if order.labels else {}
        samples = model.sample(order.num_images, order.seed, order.source, given)
        _write(building, out.suffix, arrays.to_uint8(samples), given)


def translate(folder: Path, inputs: Path, seed: int, out: Path) -> None:
    """Writes what a translator makes of a folder of pictures: to an .npz, or as PNGs into a folder.

    Raises:
        InputError: The model is no translator, the pictures have another shape, or `out` cannot be
            written.
    """
    with _writing(out, folder_too=True) as building:
        model = trained_model.load(folder)
        if "inputs" not in model.given:
            raise InputError(
                "translate must be asked of a model that is given inputs",
                f"{model.name} (kind {model.kind})",
                "See params.yaml: models",
            )
        channels = model.spec["inputs"].shape[-1]
        pictures = image_folder.read_all(inputs, channels, "See --inputs")
        images = model.sample(len(pictures), seed, TRANSLATION, {"inputs": pictures})
        _write(building, out.suffix, arrays.to_uint8(images), {"inputs": pictures})


def _labels(model: TrainedModel, order: Order) -> dict[str, np.ndarray]:
    if "labels" not in model.given:
        raise InputError(
            "--labels must be asked of a model that is given labels",
            f"{model.name} (kind {model.kind})",
            "See params.yaml: models",
        )
    field = model.spec["labels"]
    if order.labels == ("balanced",):
        labels = np.arange(len(field.class_names))
    else:
        labels = labels_of(field, list(order.labels))
    return {"labels": np.resize(labels, order.num_images)}


def _write(
    building: Path, suffix: str, images: np.ndarray, given: Mapping[str, np.ndarray]
) -> None:
    if suffix == ".npz":
        arrays.write_npz(building, {"images": images, **given})
    else:
        _write_pngs(building, images)


def reconstruct(folder: Path, data: Path, split: str, out: Path) -> None:
    """Writes a split's `images`, as the model sees them, and their `reconstructions`, uint8 NHWC, to an .npz.

    Raises:
        InputError: There is no such model, it has no encoder, the data set is not there, or `out` cannot be written.
    """
    with _writing(out, folder_too=False) as building:
        model = trained_model.load(folder)
        originals = model.as_seen(np.asarray(arrays.read_split(data, split).images))
        rebuilt = model.reconstruct(arrays.to_float(originals))
        arrays.write_npz(
            building, {"images": originals, "reconstructions": arrays.to_uint8(rebuilt)}
        )


def _write_pngs(folder: Path, images: np.ndarray) -> None:
    digits = len(str(len(images) - 1))
    for index, image in enumerate(images):
        arrays.write_png(folder / f"{index:0{digits}}.png", image)


@contextmanager
def _writing(out: Path, folder_too: bool) -> Iterator[Path]:
    """Yields a path to build `out` at, checked before anything is computed."""
    if out.suffix != ".npz" and (out.suffix or not folder_too):
        also = " or be a folder's name" if folder_too else ""
        raise InputError(
            f"--out must end in .npz{also}",
            str(out),
            "See --out",
        )
    if out.suffix == ".npz" and out.is_dir():
        raise InputError(
            "--out must be a file",
            f"{out}, which is a folder",
            "See --out",
        )
    if not out.suffix and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            "--out must be a new or empty folder",
            f"{out}, which is not empty",
            "See --out",
        )
    try:
        with replacing(out.resolve()) as building:
            yield building
    except OSError as error:
        raise InputError(
            "--out must be writable",
            f"{out} ({error.strerror})",
            "See --out",
        ) from None
