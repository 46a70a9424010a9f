"""What the file of a data set declares: where its files lie, and what its images look like."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from genlab.contract.fields import Arrays, Spec


class RawSplits(NamedTuple):
    """A data set as it is read: its fields, and their arrays in the train and the test split.

    A field of kind `label` may be missing; then the images have no classes. Without a validation
    split of its own the data set gets one from train. `names` has by split the file of each image,
    where each image is a file.
    """

    fields: Spec
    train: Arrays
    test: Arrays
    validation: Arrays | None = None
    names: Mapping[str, Sequence[str]] = {}


class Profile(NamedTuple):
    """What is known of a data set, all splits together. None: unknown, so it is not checked.

    Attributes:
        num_images: All images.
        num_test: Images of the official test split.
        mean: Of all grey values, in [0, 1].
        deviation: Mean over the images of the standard deviation of their grey values, in [0, 1].
        may_share: Whether the published test split may share images with train: this is only a
            warning, since no user can fix it.
    """

    num_images: int | None = None
    num_test: int | None = None
    mean: float | None = None
    deviation: float | None = None
    may_share: bool = False
