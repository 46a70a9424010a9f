"""Scores of pictures from any project, each with interval, floor and protocol.

Every metric of generated images that the parameters list is measured, with their settings there.

Interval: Student's, from the delete-a-block jackknife over ten blocks of the generated pictures. It says how far other
pictures of the same generator would move the number, not how far its bias reaches: that is what the floor shows.
Floor: the same number of one half of the real pictures against the other half. It has fewer pictures than the score,
so it is an upper estimate of what a perfect generator would have.
"""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import genlab
from genlab.evaluation import Panel, Scores, samples
from genlab.features import cache, classifier, inception, pinned
from genlab.features.extractor import Extracted, Extractor
from genlab.imaging import arrays
from genlab.imaging.arrays import Split
from genlab.measurement.evidence import Samples, without_generated
from genlab.networks import devices
from genlab.numerics import intervals
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.scoring import reading
from genlab.scoring.reading import Pictures
from genlab.settings import params, plugins, seeds
from genlab.settings.params import Params

PARAMS = Path(__file__).parents[1] / "params.yaml"
"""The numbers of this package's own version: the repository's `params.yaml`, which the wheel carries."""
INCEPTION, TRAINED = "inception", "trained"
GENERATED, FLOOR = "generated", "floor"
MIN_IMAGES = 2


class Request(NamedTuple):
    """What is asked for.

    Attributes:
        real: Pictures that the generator was not trained on: a folder, an .npz or an .npy.
        generated: The generator's.
        train: What it was trained on, for memorisation.
        features: The name of a pinned extractor, `inception`, or `trained`: on `train`, which it needs, without labels.
        graph: The Inception graph: a file or an address.
        sha256: Of the graph's file.
        params: The file whose `evaluation.metrics` and `features` count.
        seed: Of all that is drawn.
        allow_few: Whether no more images than features have dimensions are scored nevertheless.
        cache: A folder for features and downloads; None: nothing is kept.
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


def score(request: Request) -> dict[str, Any]:
    """Returns `metrics` (value, interval, floor, unit, direction, reference, settings), `skipped` and `protocol`.

    Raises:
        InputError: The pictures, the features or the parameters are not usable; the message is one line.
    """
    known = [*pinned.names(), INCEPTION, TRAINED]
    plugins.check_among(request.features, known, "--features", "--features")
    _check_train(request)
    devices.configure("float32", deterministic=True)
    settings = params.load(request.params, data_name="image_folder", profile="default")
    paths = {"real": request.real, "generated": request.generated, "train": request.train}
    channels = _channels(request.features)
    sets = {name: reading.read(path, channels, f"--{name}") for name, path in paths.items() if path}
    _check_shapes(sets)
    with tempfile.TemporaryDirectory() as folder:
        extractor = _extractor(request, settings, sets, Path(folder))
    _check_numbers(sets, extractor, request.allow_few)
    kept = request.cache / "features" if request.cache else None
    parts = progress.bar(sets.items(), "features", len(sets), "set")
    found = {name: cache.extract(extractor, each.images, kept) for name, each in parts}
    scores = Scores(
        Panel(settings.evaluation.metrics, f"{request.params}: evaluation.metrics"), request.seed
    )
    return _measured(scores, found, extractor.num_classes) | {
        "protocol": _protocol(request, sets, found, extractor)
    }


def check_out(out: Path) -> None:
    """Raises an InputError where `out` cannot be a file, before anything is computed."""
    if out.is_dir() or not out.resolve().parent.is_dir():
        raise InputError(
            "--out must be a file in a folder that is there",
            str(out),
            "See --out",
        )


def write(scores: Mapping[str, Any], out: Path) -> None:
    """Writes the scores as JSON.

    Raises:
        InputError: `out` cannot be written.
    """
    try:
        with replacing(out.resolve()) as building:
            building.write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(
            "--out must be writable",
            f"{out} ({error.strerror})",
            "See --out",
        ) from None


# The pictures and their features


def _check_train(request: Request) -> None:
    """Raises an InputError where the features would have to be fitted to the real pictures that are scored."""
    if request.features == TRAINED and request.train is None:
        raise InputError(
            f"--train must be given for --features {TRAINED}: features are not fitted to the pictures that are scored",
            "none",
            "See genlab score --help",
        )


def _channels(features: str) -> int | None:
    """Returns the channels that a folder's pictures are made to have."""
    if features == TRAINED:
        return None
    return 3 if features == INCEPTION else pinned.shape_of(features)[-1]


def _check_shapes(sets: Mapping[str, Pictures]) -> None:
    expected = sets["real"].images.shape[1:]
    for name, each in sets.items():
        if each.images.shape[1:] != expected:
            raise InputError(
                f"all pictures must have the shape of the real ones, {expected}",
                f"{name} pictures of {each.images.shape[1:]}",
                f"See --{name}",
            )


def _check_numbers(sets: Mapping[str, Pictures], extractor: Extractor, allow_few: bool) -> None:
    dim = extractor.extract(sets["real"].images[:1]).features.shape[1]
    least = MIN_IMAGES if allow_few else max(MIN_IMAGES, dim + 1)
    for name in ("real", "generated"):
        number = len(sets[name].images)
        if number < least:
            why = f", more than the {dim} dimensions of the features: with fewer, distances are mostly bias"
            remedy = ", other --features, or --allow-few"
            raise InputError(
                f"the {name} pictures must be at least {least}{'' if allow_few else why}",
                str(number),
                f"See --{name}{'' if allow_few else remedy}",
            )


def _extractor(
    request: Request, settings: Params, sets: Mapping[str, Pictures], folder: Path
) -> Extractor:
    shape = sets["real"].images.shape[1:]
    if request.features == INCEPTION:
        directory = (request.cache or folder) / "downloads"
        extractor = inception.load(request.graph, request.sha256, directory)
        if extractor is None:
            raise InputError(
                f"--inception-graph must be given for --features {INCEPTION}",
                "none",
                "See genlab score --help",
            )
        return extractor
    if request.features != TRAINED:
        pinned.check_shape(request.features, shape, "--features")
        return pinned.load(request.features)
    learned, other = (
        Split(each.images, np.full(len(each.images), -1)) for each in (sets["train"], sets["real"])
    )
    with contextlib.redirect_stdout(sys.stderr):  # its progress: what is printed is the table
        classifier.train(
            settings.features, learned, other, 0, seeds.derive(request.seed, "features"), folder
        )
    return classifier.load(folder)


# The numbers


def _measured(scores: Scores, found: Mapping[str, Extracted], num_classes: int) -> dict[str, Any]:
    """Returns the numbers of the generated pictures, each with its floor, and what was left out, by bare names."""
    train, seed = found.get("train"), scores.seed
    pair = samples.halves(found["real"], seeds.derive(seed, "floor"))
    for source, evidence, leave_out in (
        (
            GENERATED,
            samples.evidence(found["real"], found["generated"], train, num_classes, seed),
            _without_blocks,
        ),
        (
            FLOOR,
            samples.evidence(*pair, train, num_classes, seed),
            lambda _: [],
        ),  # of it no interval is said
    ):
        scores.add(source, evidence, {}, "pictures", leave_out)
    return {
        "metrics": {
            name: _told(metric, scores.metrics.get(f"test/{FLOOR}/{name}"))
            for name, metric in _of(scores.metrics)
        },
        "skipped": dict(_of(scores.skipped)),
    }


def _of(numbers: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns what there is of the generated pictures, by the metric's bare name."""
    prefix = f"test/{GENERATED}/"
    return [
        (name.removeprefix(prefix), value)
        for name, value in numbers.items()
        if name.startswith(prefix)
    ]


def _told(metric: Mapping[str, Any], floor: Mapping[str, Any] | None) -> dict[str, Any]:
    kept = {name: value for name, value in metric.items() if name not in ("method", "protocol")}
    return kept | {"floor": floor and floor["value"], "settings": metric["protocol"]["metric"]}


def _without_blocks(evidence: Samples) -> Iterable[Samples]:
    """Yields the evidence without each of ten random blocks of the generated images; nothing where they are few.

    Random, since pictures of a file may be in the order of their classes, and the real ones stay. This is what takes
    long, so a terminal sees how far it is.
    """
    number = len(evidence.generated_features)
    if number < 2 * intervals.NUM_BLOCKS:
        return []
    order = np.random.default_rng(seeds.derive(evidence.seed, "jackknife")).permutation(number)
    parts = (
        without_generated(evidence, order[block :: intervals.NUM_BLOCKS])
        for block in range(intervals.NUM_BLOCKS)
    )
    return progress.bar(parts, "intervals", intervals.NUM_BLOCKS, "block")


def _protocol(
    request: Request,
    sets: Mapping[str, Pictures],
    found: Mapping[str, Extracted],
    extractor: Extractor,
) -> dict[str, Any]:
    facts = extractor.settings
    half = len(sets["real"].images) // 2
    return {
        "features": samples.facts_of(extractor) | {"name": facts.get("name", request.features)},
        "feature_dim": found["real"].features.shape[1],
        **{
            f"num_{name}": len(sets[name].images) if name in sets else 0
            for name in ("real", "generated", "train")
        },
        **{f"{name}_sha256": arrays.digest(each.images) for name, each in sets.items()},
        "image_shape": list(sets["real"].images.shape[1:]),
        "quantisation": {name: each.quantisation for name, each in sets.items()},
        "resize": facts.get("resize", "none"),
        "intervals": f"95 %, jackknife over {intervals.NUM_BLOCKS} blocks of the generated pictures",
        "floor": f"{half} of the real pictures against the other {len(sets['real'].images) - half}",
        "seed": request.seed,
        "genlab_version": genlab.__version__,
    }
