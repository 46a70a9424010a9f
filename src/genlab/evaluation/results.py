"""What an evaluation leaves on the disk: numbers beside their floor, protocols, pictures."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genlab.contract.score import Floor, Score
from genlab.evaluation import samples
from genlab.evaluation.scores import Scores
from genlab.imaging.arrays import grid, write_npz, write_png
from genlab.imaging.pictures import read_png
from genlab.runtime.files import FolderKind, replacing
from genlab.trained.model import TrainedModel

SAME = ("num_real", "real_images", "num_generated", "features", "quantisation", "resize", "metric")
"""What the protocols of a score and its floor must agree on."""
FLOOR = "floor"
KINDS = (FLOOR, "floor_halves")
"""Real images against real ones: train against test, and halves of test against each other; of
memorisation there is the first alone, validation images against test."""
SCORES = FolderKind("scores", ("metrics.json", "scores.json"))
PICTURES = FolderKind("an evaluation's pictures", ("pictures.npz", "*.png", "*.npz"))
SHOWN_PIXELS = 400
"""Width of an enlarged picture, at least half of it."""


def add_floor(scores: Scores, floor: Mapping[str, Score]) -> None:
    """Puts beside each score of samples that of real images, where it was measured alike."""
    for name, score in scores.metrics.items():
        split, source, metric = name.split("/")
        source, underscore, space = source.partition("_")
        names = {kind: f"{split}/{kind}{underscore}{space}/{metric}" for kind in KINDS}
        names = {kind: name for kind, name in names.items() if name in floor}
        if source not in samples.SOURCES or FLOOR not in names:
            continue
        protocol = floor[names[FLOOR]].protocol
        if all(protocol[key] == score.protocol[key] for key in SAME):
            floors = {
                kind: Floor(floor[name].value, floor[name].interval) for kind, name in names.items()
            }
            scores.metrics[name] = dataclasses.replace(score, floor=floors)


def write_scores(folder: Path, scores: Scores, facts: Mapping[str, Any]) -> None:
    """Writes `metrics.json`, the bare numbers, and `scores.json`, `facts` first, as a whole."""
    metrics = {name: score.to_json() for name, score in scores.metrics.items()}
    with replacing(folder, SCORES) as building:
        building.mkdir()
        _write_json(building / "metrics.json", scores.values())
        content = {**facts, "metrics": metrics, "skipped": scores.skipped}
        _write_json(building / "scores.json", content)


def facts_of(scores: Scores, model: TrainedModel) -> dict[str, Any]:
    """Returns what `scores.json` says of the model."""
    return {
        "kind": model.kind,
        "train_key": model.settings["train_key"],
        "num_parameters": sum(math.prod(v.shape) for v in model.model.trainable_variables),
        "protocol": protocol_hash(scores),
    }


def identity(scores: Scores, model: TrainedModel) -> dict[str, str]:
    """Returns what tells the run of these scores from all others, as `scoring_run` takes it."""
    return {
        "train_key": model.settings["train_key"],
        "name": model.name,
        "kind": model.kind,
        "protocol": protocol_hash(scores),
    }


def protocol_hash(scores: Scores) -> str:
    """Returns a hash of all that the scores depend on beside the model."""
    protocols = {name: score.protocol for name, score in scores.metrics.items()}
    return hashlib.sha256(json.dumps(protocols, sort_keys=True).encode()).hexdigest()[:32]


def write_pictures(folder: Path, scores: Scores) -> None:
    """Writes the pictures as arrays and as PNG grids, and the other arrays."""
    with replacing(folder, PICTURES) as building:
        building.mkdir()
        write_npz(building / "pictures.npz", scores.pictures)
        for name, pictures in scores.pictures.items():
            write_png(building / f"{name}.png", grid(pictures))
        for name, arrays in scores.arrays.items():
            write_npz(building / f"{name}.npz", arrays)


def write_enlarged(pictures: Path, path: Path) -> None:
    """Writes the grid of samples, else of reconstructions, large enough to be looked at."""
    names = (*(f"{source}_samples" for source in samples.SOURCES), "reconstructions", "originals")
    paths = (pictures / f"{name}.png" for name in names)
    image = read_png(next(path for path in paths if path.is_file()))
    factor = max(1, SHOWN_PIXELS // image.shape[1])
    write_png(path, image.repeat(factor, axis=0).repeat(factor, axis=1))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
