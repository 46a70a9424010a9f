"""Scores of pictures from any project, each with interval, floor and protocol.

Every listed metric of generated images is measured, with its settings in `params.yaml`.

Interval: Student's, from the delete-a-block jackknife over ten blocks of the generated pictures. It
shows how far other pictures of the same generator would move the number. Floor: the same number for
pictures of one half of the real ones against the other half. Most numbers depend on how many
pictures there are, so beside the floor stands that of as many generated pictures against the same
half (`alike`): compare these two.
"""

import dataclasses
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import genlab
from genlab.contract.evidence import Samples
from genlab.contract.score import Floor, Score
from genlab.evaluation import Panel, Scores, samples
from genlab.features import judges, pinned
from genlab.imaging import arrays
from genlab.imaging.array_files import ArrayImages
from genlab.networks import devices
from genlab.numerics import intervals
from genlab.runtime import progress
from genlab.runtime.errors import InputError
from genlab.runtime.files import check_free, replacing
from genlab.scoring import floors, judging, reading
from genlab.scoring.doubts import doubts
from genlab.scoring.floors import ALIKE, FLOOR, GENERATED
from genlab.scoring.judging import INCEPTION, TRAINED, Opinion
from genlab.scoring.request import Request
from genlab.settings import params, plugins, seeds

PARAMS = Path(__file__).parents[1] / "params.yaml"
"""The numbers of this version: the repository's `params.yaml`, which the wheel carries."""


INTERVALS = f"95 %, jackknife over {intervals.NUM_BLOCKS} blocks of the generated pictures"


@dataclass(frozen=True)
class PictureScores:
    """The scores of generated pictures.

    Attributes:
        metrics: By name.
        skipped: By name why there is no score.
        protocol: How all came about.
        warnings: What is doubtful.
        alike: By name the numbers of as many pictures as the floor is of.
    """

    metrics: dict[str, Score]
    skipped: dict[str, str]
    protocol: dict[str, Any]
    warnings: tuple[str, ...] = ()
    alike: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the content of `--out`."""
        metrics = {
            name: _to_json(score) | {"alike": self.alike.get(name)}
            for name, score in self.metrics.items()
        }
        content = vars(self) | {"metrics": metrics}
        del content["alike"]
        return content


def score(request: Request) -> PictureScores:
    """Returns the scores of generated pictures.

    Raises:
        InputError: The pictures, the features or the parameters are not usable.
    """
    known = [*pinned.names(), INCEPTION, TRAINED]
    plugins.check_among(request.features, known, "--features", "--features")
    if request.features == TRAINED and request.train is None:
        raise InputError(
            f"--train must be given for --features {TRAINED}: features are not fitted to the "
            "pictures that are scored",
            "none",
            "See genlab score --help",
        )
    devices.configure("float32", deterministic=True)
    settings = params.load(request.params, data_name="image_folder", profile="default")
    sets = _read(request)
    with tempfile.TemporaryDirectory() as folder:
        networks = judging.extractors(request, settings, sets, Path(folder))
    first = next(iter(networks.values()))
    least = floors.least(sets["real"].images, first, request.allow_few)
    least.check(sets)
    folder_of_features = request.cache / "features" if request.cache else None
    seen = {
        judge.name: Opinion(judge, judging.pictures(judge, sets, folder_of_features))
        for judge in (
            judges.beside(*named, sets["real"].images, folder_of_features)
            for named in progress.bar(networks.items(), "features", len(networks), "judge")
        )
    }
    panel = Panel(settings.evaluation.metrics, f"{request.params}: evaluation.metrics")
    scores = Scores(panel, request.seed)
    text = _measure(scores, seen, least.number)
    real = {name: Floor(score.value, None) for name, score in _of(FLOOR, scores.metrics)}
    metrics = {
        name: dataclasses.replace(score, floor={FLOOR: real[name]} if name in real else {})
        for name, score in _of(GENERATED, scores.metrics)
    }
    alike = {name: score.value for name, score in _of(ALIKE, scores.metrics)}
    return PictureScores(
        metrics,
        dict(_of(GENERATED, scores.skipped)),
        _protocol(request, sets, seen, least.feature_dim) | {"floor": text},
        (*doubts(sets), *floors.weaknesses(metrics, alike)),
        alike,
    )


def check_out(out: Path) -> None:
    """Raises an InputError if scores cannot be written to `out`, or would replace other things."""
    check_free(out)
    if out.is_file() and out.stat().st_size:
        try:
            is_own = "protocol" in json.loads(out.read_bytes())
        except (OSError, ValueError, TypeError):
            is_own = False
        if not is_own:
            where = "Choose another place; nothing was removed"
            raise InputError(f"{out} must be new, or scores that genlab wrote", "a file", where)


def write(scores: PictureScores, out: Path) -> None:
    """Writes the scores as JSON.

    Raises:
        InputError: `out` cannot be written.
    """
    try:
        with replacing(out.resolve()) as building:
            building.write_text(json.dumps(scores.to_json(), indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(
            "--out must be writable", f"{out} ({error.strerror})", "See --out"
        ) from None


# The pictures and their features


def _read(request: Request) -> dict[str, ArrayImages]:
    channels = None
    if request.features != TRAINED:
        is_inception = request.features == INCEPTION
        channels = 3 if is_inception else pinned.shape_of(request.features)[-1]
    paths = {"real": request.real, "generated": request.generated, "train": request.train}
    sets = {
        name: reading.read(path, channels, f"--{name}", request.form)
        for name, path in paths.items()
        if path
    }
    expected = sets["real"].images.shape[1:]
    for name, pictures in sets.items():
        if pictures.images.shape[1:] != expected:
            raise InputError(
                f"all pictures must have the shape of the real ones, {expected}",
                f"{name} pictures of {pictures.images.shape[1:]}",
                f"See --{name}",
            )
    return sets


# The numbers


def _measure(scores: Scores, opinions: Mapping[str, Opinion], least: int) -> str:
    """Scores all, and returns what the floor is of, or why there is none."""
    evidence: dict[str, dict[str, Samples]] = {}
    for judge, pictures in opinions.values():
        train, real = pictures.get("train"), pictures["real"]
        whole = {GENERATED: floors.Pair(real, pictures["generated"])}
        seed = seeds.derive(scores.seed, "floor")
        chosen = floors.pairs(real, pictures["generated"], least, seed)
        for name, pair in (whole | chosen).items():
            known = None if name == ALIKE else train  # near to train has no other half
            given = floors.evidence(pair, known, judge.extractor.num_classes, scores.seed)
            evidence.setdefault(name, {})[judge.name] = given
    for name, by_judge in evidence.items():  # halves have no intervals
        leave_out = _without_blocks if name == GENERATED else lambda *_: []
        scores.add_opinions(name, by_judge, {}, "pictures", leave_out)
    return floors.said(chosen, len(real.images), least)


def _of(source: str, numbers: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yields the numbers of one source, by the metric's bare name."""
    prefix = f"test/{source}/"
    for name, value in numbers.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), value


def _to_json(score: Score) -> dict[str, Any]:
    floor = score.floor.get(FLOOR)
    values = dataclasses.asdict(score)
    settings = values.pop("protocol")["metric"]
    del values["method"], values["trainings"]
    return values | {"floor": floor and floor.value, "settings": settings}


def _without_blocks(panel: Panel, evidence: Samples) -> list[dict[str, float]]:
    """Returns the numbers without each of ten random blocks of the generated images.

    Random, since pictures in a file may be in the order of their classes; none where they are few.
    """
    number = len(evidence.generated_features)
    if number < 2 * intervals.NUM_BLOCKS:
        return []
    order = np.random.default_rng(seeds.derive(evidence.seed, "jackknife")).permutation(number)
    places, blocks = np.argsort(order), np.arange(intervals.NUM_BLOCKS)
    kept = places % intervals.NUM_BLOCKS != blocks[:, np.newaxis]
    return panel.ask_parts(evidence, kept)


def _protocol(
    request: Request,
    sets: Mapping[str, ArrayImages],
    opinions: Mapping[str, Opinion],
    feature_dim: int,
) -> dict[str, Any]:
    facts = samples.facts_of([opinion.judge for opinion in opinions.values()])
    numbers = {name: len(sets[name].images) if name in sets else 0 for name in Request._fields[:3]}
    return {
        "features": request.features,
        "judges": facts["features"],
        "feature_dim": feature_dim,
        **{f"num_{name}": number for name, number in numbers.items()},
        **{f"{name}_sha256": arrays.digest(part.images) for name, part in sets.items()},
        "image_shape": list(sets["real"].images.shape[1:]),
        "quantisation": {name: part.quantisation for name, part in sets.items()},
        "resize": facts["resize"],
        "intervals": INTERVALS,
        "seed": request.seed,
        "genlab_version": genlab.__version__,
    }
