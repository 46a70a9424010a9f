"""Pictures of any project: a folder of PNG and JPEG files, an .npz or an .npy, as uint8 NHWC."""

from pathlib import Path

from genlab.data import members
from genlab.datasets import image_folder
from genlab.imaging import array_files
from genlab.imaging.array_files import AS_USUAL, ArrayImages, Form, UnreadableError
from genlab.runtime.errors import InputError

ARRAYS = (
    "an array `images` (or one array alone), uint8 or float in [0, 1], of the shape "
    "(n, height, width[, 1 or 3])"
)


def read(path: Path, channels: int | None, option: str, form: Form = AS_USUAL) -> ArrayImages:
    """Returns the pictures in `path`.

    Args:
        path: A folder, a zip, a tar, or an .npz or .npy, whose floats are rounded to uint8.
        channels: That the pictures of a folder get, 1 or 3; None: grey where all are grey.
        option: That gave the path, for errors: `--real`.
        form: Of arrays.

    Raises:
        InputError: There are no pictures, or they cannot be read.
    """
    if path.is_dir() or members.is_archive(path):
        return ArrayImages(image_folder.read_all(path, channels, f"See {option}"), "none")
    if path.suffix.lower() not in array_files.ENDINGS or not path.is_file():
        reason = "another kind of file" if path.exists() else "no such file or folder"
        raise InputError(
            f"{option} must be a folder, a zip or a tar of pictures, an .npz or an .npy",
            f"{path}, {reason}",
            f"See {option}",
        )
    try:
        return array_files.read(path, form)
    except UnreadableError as fault:
        where = f"See {option}, or add {fault.option}" if fault.option else f"See {option}"
        raise InputError(f"{path} must hold {ARRAYS}", str(fault), where) from None
