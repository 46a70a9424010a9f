"""Images from a trained model, written to files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from genlab.imaging import arrays as pictures
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.trained import model as trained_model


def generate(folder: Path, num_images: int, seed: int, source: str, out: Path) -> None:
    """Writes `num_images` samples of the trained model in `folder`: to an .npz, or as PNGs into a folder.

    Raises:
        InputError: There is no such model, it cannot sample from `source`, or `out` cannot be written.
    """
    with _writing(out, folder_too=True) as building:
        samples = pictures.to_uint8(trained_model.load(folder).sample(num_images, seed, source))
        if out.suffix == ".npz":
            pictures.write_npz(building, {"images": samples})
        else:
            _write_pngs(building, samples)


def reconstruct(folder: Path, data: Path, split: str, out: Path) -> None:
    """Writes a split's `images`, as the model sees them, and their `reconstructions`, uint8 NHWC, to an .npz.

    Raises:
        InputError: There is no such model, it has no encoder, the data set is not there, or `out` cannot be written.
    """
    with _writing(out, folder_too=False) as building:
        model = trained_model.load(folder)
        originals = model.as_seen(np.asarray(pictures.read_split(data, split).images))
        rebuilt = model.reconstruct(pictures.to_float(originals))
        pictures.write_npz(
            building, {"images": originals, "reconstructions": pictures.to_uint8(rebuilt)}
        )


def _write_pngs(folder: Path, images: np.ndarray) -> None:
    digits = len(str(len(images) - 1))
    for index, image in enumerate(images):
        pictures.write_png(folder / f"{index:0{digits}}.png", image)


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
