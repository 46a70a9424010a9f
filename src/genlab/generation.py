"""Images from a trained model, written to files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from genlab import images as pictures
from genlab import trained_model
from genlab.errors import InputError


def generate(folder: Path, num_images: int, seed: int, source: str, out: Path) -> None:
    """Writes `num_images` samples of the trained model in `folder`: to an .npz, or as PNGs into a folder.

    Raises:
        InputError: There is no such model, it cannot sample from `source`, or `out` is not an .npz or a folder.
    """
    write = _write_npz if out.suffix == ".npz" else _write_pngs
    _check(out)
    write(out, pictures.to_uint8(trained_model.load(folder).sample(num_images, seed, source)))


def reconstruct(folder: Path, data: Path, split: str, out: Path) -> None:
    """Writes a split's `images` and their `reconstructions`, uint8 NHWC, to an .npz.

    Raises:
        InputError: There is no such model, it has no encoder, or the data set is not there.
    """
    if out.suffix != ".npz":
        raise InputError(f"--out must end in .npz. Received: {out}. See --out.")
    originals = np.asarray(pictures.read_split(data, split).images)
    rebuilt = trained_model.load(folder).reconstruct(pictures.to_float(originals))
    arrays = {"images": originals, "reconstructions": pictures.to_uint8(rebuilt)}
    _write(out, lambda path: pictures.write_npz(path, arrays))


def _check(out: Path) -> None:
    if out.suffix not in ("", ".npz"):
        raise InputError(f"--out must end in .npz or be a folder's name. Received: {out}. See --out.")
    if out.suffix == "" and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out must be a new or empty folder. Received: {out}, which is not empty. See --out.")


def _write_npz(out: Path, images: np.ndarray) -> None:
    _write(out, lambda path: pictures.write_npz(path, {"images": images}))


def _write_pngs(out: Path, images: np.ndarray) -> None:
    digits, out = len(str(len(images) - 1)), out.resolve()
    building = out.with_name(f".building-{out.name}")
    shutil.rmtree(building, ignore_errors=True)
    for index, image in enumerate(images):
        pictures.write_png(building / f"{index:0{digits}}.png", image)
    building.replace(out)


def _write(out: Path, save: Callable[[Path], None]) -> None:
    """Writes a file beside `out` and renames it: a file under the final name is always whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    building = out.with_name(f".building-{out.name}")
    save(building)
    building.replace(out)
