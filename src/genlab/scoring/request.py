"""What `genlab score` is asked."""

from pathlib import Path
from typing import NamedTuple

from genlab.imaging.array_files import AS_USUAL, Form


class Request(NamedTuple):
    """What to score, and how.

    Attributes:
        real: SeenPictures that the generator was not trained on: a folder, an .npz or an .npy.
        generated: The generator's.
        train: What it was trained on, for memorisation.
        features: A pinned extractor's name, `inception`, or `trained`: on `train`, without labels.
        graph: The Inception graph: a file or an address.
        sha256: Of the graph's file.
        params: The file whose `evaluation.metrics` and `features` count.
        seed: Of all that is drawn.
        allow_few: Whether no more images than features have dimensions are scored, too.
        cache: A folder for features and downloads; None: nothing is kept.
        form: Of arrays.
    """

    real: Path
    generated: Path
    train: Path | None
    features: str
    graph: str | None
    sha256: str | None
    params: Path
    seed: int
    allow_few: bool
    cache: Path | None
    form: Form = AS_USUAL
