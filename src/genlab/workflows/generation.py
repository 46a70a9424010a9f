"""Writes images from a trained model to files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genlab.datasets import image_folder
from genlab.imaging import arrays
from genlab.runtime.errors import InputError
from genlab.runtime.files import check_free, replacing
from genlab.trained import model as trained_model
from genlab.trained.generators import TRANSLATION
from genlab.trained.givens import labels_of
from genlab.trained.model import TrainedModel


@dataclass(frozen=True)
class SampleOrder:
    """Which images to generate.

    Attributes:
        num_images: At least 1.
        seed: Same seed, same images.
        source: `prior` or `fitted`; None means the model's first one.
        labels: For a conditional model classes that take turns, by number or name; `balanced` means
            all of them. () for other models.
    """

    num_images: int
    seed: int = 0
    source: str | None = None
    labels: tuple[str, ...] = ()


def generate(folder: Path, order: SampleOrder, out: Path) -> None:
    """Writes samples of a trained model to an .npz, or as PNGs into a folder.

    Raises:
        InputError: There is no such model, it cannot generate such images, or `out` cannot be
            written.
    """
    with _writing(out, folder_too=True) as building:
        model = trained_model.load(folder)
        given = _labels(model, order) if order.labels else {}
        samples = model.sample(order.num_images, order.seed, order.source, given)
        _write(building, out.suffix, arrays.to_uint8(samples), given)


def translate(folder: Path, inputs: Path, seed: int, out: Path) -> None:
    """Translates a folder of pictures and writes the images to an .npz, or as PNGs into a folder.

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


def _labels(model: TrainedModel, order: SampleOrder) -> dict[str, np.ndarray]:
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
    """Writes a split's `images`, as the model sees them, and `reconstructions` to an .npz.

    Both are uint8 (n, height, width, channels).

    Raises:
        InputError: There is no such model or data set, the model has no encoder, or `out` cannot be
            written.
    """
    with _writing(out, folder_too=False) as building:
        model = trained_model.load(folder)
        originals = model.as_seen(np.asarray(arrays.read_split(data, split).images))
        reconstructions = arrays.to_uint8(model.reconstruct(arrays.to_float(originals)))
        arrays.write_npz(building, {"images": originals, "reconstructions": reconstructions})


def _write_pngs(folder: Path, images: np.ndarray) -> None:
    digits = len(str(len(images) - 1))
    for index, image in enumerate(images):
        arrays.write_png(folder / f"{index:0{digits}}.png", image)


@contextmanager
def _writing(out: Path, folder_too: bool) -> Iterator[Path]:
    """Yields a path to build `out` at. `out` is checked before anything is computed."""
    check_free(out)
    if out.suffix != ".npz" and (out.suffix or not folder_too):
        suffix = " or be a folder's name" if folder_too else ""
        raise InputError(f"--out must end in .npz{suffix}", str(out), "See --out")
    if out.is_file() and not out.suffix:
        raise InputError(f"{out} must be a folder", "a file", "Choose another place")
    try:
        with replacing(out.resolve()) as building:
            yield building
    except OSError as error:
        received = f"{out} ({error.strerror})"
        raise InputError("--out must be writable", received, "See --out") from None
