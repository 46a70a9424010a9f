"""Which judges see the pictures."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genlab.features import inception, judges, pinned
from genlab.features.extractor import Extractor
from genlab.features.judges import Judge
from genlab.imaging.array_files import ArrayImages
from genlab.imaging.arrays import Split
from genlab.runtime.errors import InputError
from genlab.scoring.floors import PictureSet
from genlab.scoring.request import Request
from genlab.settings import seeds
from genlab.settings.params import Params

INCEPTION, TRAINED = "inception", "trained"


def extractors(
    request: Request, settings: Params, sets: Mapping[str, ArrayImages], folder: Path
) -> Mapping[str, Extractor]:
    """Returns the networks by name."""
    if request.features == INCEPTION:
        directory = (request.cache or folder) / "downloads"
        extractor = inception.load(request.graph, request.sha256, directory)
        if extractor is None:
            raise InputError(
                f"--inception-graph must be given for --features {INCEPTION}",
                "none",
                "See genlab score --help",
            )
        return {INCEPTION: extractor}
    if request.features != TRAINED:
        pinned.check_shape(request.features, sets["real"].images.shape[1:], "--features")
        return pinned.load(request.features)
    train, real = (
        Split(sets[name].images, np.full(len(sets[name].images), -1)) for name in ("train", "real")
    )
    seed = seeds.derive(request.seed, "features")
    roles = (judges.REPORTING,)
    with contextlib.redirect_stdout(sys.stderr):  # its progress: the table goes to stdout
        judges.train(settings.features, judges.Lessons(train, real, 0), seed, folder, roles)
    return judges.load(folder / judges.REPORTING)


class Opinion(NamedTuple):
    """A judge, and by name the sets of pictures as it sees them."""

    judge: Judge
    pictures: Mapping[str, PictureSet]


def pictures(
    judge: Judge, sets: Mapping[str, ArrayImages], cache: Path | None
) -> dict[str, PictureSet]:
    """Returns the sets as a judge sees them; features are kept in the folder `cache`."""
    others = {name: part for name, part in sets.items() if name != "real"}
    return {"real": PictureSet(sets["real"].images, judge.real)} | {
        name: PictureSet(part.images, judge.extract(part.images, cache))
        for name, part in others.items()
    }
