"""What a file in `data/` says of its data set: where its files lie, and what valid images of it look like."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class RemoteFile(NamedTuple):
    """One file of a data set: its name, public addresses (the first that works is used) and `"sha256:..."` sum."""

    name: str
    addresses: tuple[str, ...]
    checksum: str


class Profile(NamedTuple):
    """What is known of a data set, all splits together. None: not known, then it is not checked.

    Attributes:
        num_images: All images.
        num_test: Images of the official test split.
        mean: Of all grey values, in [0, 1].
        deviation: Mean over the images of the standard deviation of an image's grey values, in [0, 1].
        may_share: Whether the published test split may share images with train: no user could mend it, so it warns.
    """

    num_images: int | None = None
    num_test: int | None = None
    mean: float | None = None
    deviation: float | None = None
    may_share: bool = False


def remote_files(checksums: Mapping[str, str], mirrors: Sequence[str]) -> tuple[RemoteFile, ...]:
    """Returns the files of a data set whose mirrors all use the same file names.

    Args:
        checksums: File name to sum.
        mirrors: Addresses of folders, each with a slash at its end.
    """
    return tuple(
        RemoteFile(name, tuple(mirror + name for mirror in mirrors), checksum)
        for name, checksum in checksums.items()
    )
