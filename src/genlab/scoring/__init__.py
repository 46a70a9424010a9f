"""Scores of pictures from any project, each with interval, floor and protocol.

Every metric of generated images that the parameters list is measured, with their settings there.

Interval: Student's, from the delete-a-block jackknife over ten blocks of the generated pictures. It says how far other
pictures of the same generator would move the number, not how far its bias reaches: that is what the floor shows.
Floor: the same number of one half of the real pictures against the other half. It has fewer pictures than the score,
so it is an upper estimate of what a perfect generator would have.
"""

import contextlib
import dataclasses
import json
import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import genlab
from genlab import devices, feature_cache, feature_extractor, images, inception, params, pinned, seeds
from genlab.errors import InputError
from genlab.evaluation import Panel, intervals
from genlab.extraction import Extracted, Extractor
from genlab.files import replacing
from genlab.images import Split
from genlab.measures import Samples, without_generated
from genlab.params import Params
from genlab.scoring import reading
from genlab.scoring.reading import Pictures

PARAMS = Path(__file__).parents[1] / "params.yaml"
"""The numbers of this package's own version: the repository's `params.yaml`, which the wheel carries."""
INCEPTION, TRAINED = "inception", "trained"
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
    pinned.check(request.features, [*pinned.names(), INCEPTION, TRAINED], "--features")
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
    found = {name: feature_cache.extract(extractor, each.images, kept) for name, each in sets.items()}
    panel = Panel(settings.evaluation.metrics, f"{request.params}: evaluation.metrics")
    scores = _scores(found, extractor.num_classes, panel, request.seed)
    return scores | {"protocol": _protocol(request, sets, found, extractor)}


def check_out(out: Path) -> None:
    """Raises an InputError where `out` cannot be a file, before anything is computed."""
    if out.is_dir() or not out.resolve().parent.is_dir():
        raise InputError(f"--out must be a file in a folder that is there. Received: {out}. See --out.")


def write(scores: Mapping[str, Any], out: Path) -> None:
    """Writes the scores as JSON.

    Raises:
        InputError: `out` cannot be written.
    """
    try:
        with replacing(out.resolve()) as building:
            building.write_text(json.dumps(scores, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"--out must be writable. Received: {out} ({error.strerror}). See --out.") from None


# The pictures and their features


def _check_train(request: Request) -> None:
    """Raises an InputError where the features would have to be fitted to the real pictures that are scored."""
    if request.features == TRAINED and request.train is None:
        raise InputError(
            f"--train must be given for --features {TRAINED}: features are not fitted to the pictures that are scored. "
            "Received: none. See genlab score --help."
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
                f"all pictures must have the shape of the real ones, {expected}. "
                f"Received: {name} pictures of {each.images.shape[1:]}. See --{name}."
            )


def _check_numbers(sets: Mapping[str, Pictures], extractor: Extractor, allow_few: bool) -> None:
    dim = extractor.extract(sets["real"].images[:1]).features.shape[1]
    least = MIN_IMAGES if allow_few else max(MIN_IMAGES, dim + 1)
    for name in ("real", "generated"):
        number = len(sets[name].images)
        if number < least:
            why = f", more than the {dim} dimensions of the features: with fewer, distances are mostly bias"
            remedy = ", other --features, or --allow-few."
            raise InputError(
                f"the {name} pictures must be at least {least}{'' if allow_few else why}. Received: {number}. "
                f"See --{name}{'.' if allow_few else remedy}"
            )


def _extractor(request: Request, settings: Params, sets: Mapping[str, Pictures], folder: Path) -> Extractor:
    shape = sets["real"].images.shape[1:]
    if request.features == INCEPTION:
        directory = (request.cache or folder) / "downloads"
        extractor = inception.load(request.graph, request.sha256, directory)
        if extractor is None:
            raise InputError(
                f"--inception-graph must be given for --features {INCEPTION}. Received: none. See genlab score --help."
            )
        return extractor
    if request.features != TRAINED:
        pinned.check_shape(request.features, shape, "--features")
        return pinned.load(request.features)
    learned, other = (Split(each.images, np.full(len(each.images), -1)) for each in (sets["train"], sets["real"]))
    with contextlib.redirect_stdout(sys.stderr):  # its progress: what is printed is the table
        feature_extractor.train(settings.features, learned, other, 0, seeds.derive(request.seed, "features"), folder)
    return feature_extractor.load(folder)


# The numbers


def _scores(found: Mapping[str, Extracted], num_classes: int, panel: Panel, seed: int) -> dict[str, Any]:
    evidence = _evidence(found, num_classes, seed)
    without = [_values(panel, part) for part in _without_blocks(evidence)]
    floors = _values(panel, _halves(evidence))
    metrics, skipped = {}, {}
    for answer in panel.ask(evidence):
        name, value = answer.name, math.nan if answer.value is None else float(np.mean(answer.value))
        if not math.isfinite(value):
            skipped[name] = answer.reason if answer.value is None else "not a finite number"
            continue
        estimate = _interval(value, [part.get(name, math.nan) for part in without])
        facts = answer.measure._asdict() | {"settings": answer.settings}
        metrics[name] = {**estimate, "floor": _finite(floors.get(name)), **facts}
    return {"metrics": metrics, "skipped": skipped}


def _evidence(found: Mapping[str, Extracted], num_classes: int, seed: int) -> Samples:
    real, generated = found["real"], found["generated"]
    train = found["train"].features if "train" in found else None
    return Samples(real.features, generated.features, real.classes, generated.classes, num_classes, train, seed)


def _values(panel: Panel, evidence: Samples) -> dict[str, float]:
    """Returns the numbers that there are, by name."""
    return {answer.name: float(np.mean(answer.value)) for answer in panel.ask(evidence) if answer.value is not None}


def _without_blocks(evidence: Samples) -> list[Samples]:
    """Returns the evidence without each of ten random blocks of the generated images; nothing where they are few."""
    number = len(evidence.generated_features)
    if number < 2 * intervals.NUM_BLOCKS:
        return []
    order = np.random.default_rng(seeds.derive(evidence.seed, "jackknife")).permutation(number)
    return [without_generated(evidence, order[block :: intervals.NUM_BLOCKS]) for block in range(intervals.NUM_BLOCKS)]


def _halves(evidence: Samples) -> Samples:
    """Returns one random half of the real images as real, the other as generated."""
    order = np.random.default_rng(seeds.derive(evidence.seed, "floor")).permutation(len(evidence.real_features))
    rows, others = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    features, classes = evidence.real_features, evidence.real_classes
    half = dataclasses.replace(evidence, real_features=features[rows], real_classes=classes[rows])
    return _generated(half, features[others], classes[others])


def _generated(evidence: Samples, features: np.ndarray, classes: np.ndarray) -> Samples:
    return dataclasses.replace(evidence, generated_features=features, generated_classes=classes)


def _interval(value: float, without: list[float]) -> dict[str, Any]:
    if not without or not np.isfinite(without).all():
        return {"value": value, "interval": None, "interval_method": "none: too few pictures"}
    return intervals.of_jackknife(value, without)._asdict()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _protocol(
    request: Request, sets: Mapping[str, Pictures], found: Mapping[str, Extracted], extractor: Extractor
) -> dict[str, Any]:
    facts = extractor.settings
    half = len(sets["real"].images) // 2
    return {
        "features": {"name": request.features, "task": facts["task"], "weights_sha256": facts["weights_sha256"]},
        "feature_dim": found["real"].features.shape[1],
        **{f"num_{name}": len(sets[name].images) if name in sets else 0 for name in ("real", "generated", "train")},
        **{f"{name}_sha256": images.digest(each.images) for name, each in sets.items()},
        "image_shape": list(sets["real"].images.shape[1:]),
        "quantisation": {name: each.quantisation for name, each in sets.items()},
        "resize": facts.get("resize", "none"),
        "intervals": f"95 %, jackknife over {intervals.NUM_BLOCKS} blocks of the generated pictures",
        "floor": f"{half} of the real pictures against the other {len(sets['real'].images) - half}",
        "seed": request.seed,
        "genlab_version": genlab.__version__,
    }
