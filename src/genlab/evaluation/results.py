"""What an evaluation leaves on disk: numbers beside their floor, protocols, pictures."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from genlab.evaluation import samples
from genlab.evaluation.scores import Scores
from genlab.imaging.arrays import grid, write_npz, write_png
from genlab.runtime.files import replacing
from genlab.trained.model import TrainedModel

SAME = ("num_real", "num_generated", "features", "quantisation", "resize", "metric")
KINDS = ("floor", "floor_halves")
"""Real images against real ones: train against test, and half of test against the other half."""


def add_floor(result: Scores, floor: dict[str, Any]) -> None:
    """Puts beside each number of samples the same number of real images."""
    for name, metric in result.metrics.items():
        split, source, measure = name.split("/")
        source, _, space = source.partition("_")
        kinds = {
            kind: f"{split}/{'_'.join(filter(None, (kind, space)))}/{measure}" for kind in KINDS
        }
        if source in samples.SOURCES and all(each in floor for each in kinds.values()):
            found = {kind: floor[each] for kind, each in kinds.items()}
            if any(found["floor"]["protocol"][key] != metric["protocol"][key] for key in SAME):
                continue  # fewer train images than samples, or other features: not to be compared
            metric["floor"] = {
                kind: {key: each[key] for key in ("value", "interval")}
                for kind, each in found.items()
            }


def write_scores(folder: Path, result: Scores, trained: TrainedModel) -> None:
    """Writes `metrics.json`, the bare numbers, and `scores.json`, with protocols."""
    facts = {
        "kind": trained.settings["kind"],
        "train_key": trained.settings["train_key"],
        "num_parameters": sum(
            int(np.prod(weight.shape)) for weight in trained.model.trainable_variables
        ),
        "protocol": protocol_hash(result),
        "metrics": result.metrics,
        "skipped": result.skipped,
    }
    with replacing(folder) as building:
        building.mkdir()
        (building / "metrics.json").write_text(
            json.dumps(result.values(), indent=2, allow_nan=False) + "\n"
        )
        (building / "scores.json").write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


def protocol_hash(result: Scores) -> str:
    """Returns a hash of all that the scores depend on beside the model."""
    protocols: dict[str, Any] = {
        name: metric["protocol"] for name, metric in result.metrics.items()
    }
    return hashlib.sha256(json.dumps(protocols, sort_keys=True).encode()).hexdigest()[:32]


def write_pictures(folder: Path, result: Scores) -> None:
    """Writes the pictures as arrays and as PNG grids, and the other arrays."""
    with replacing(folder) as building:
        building.mkdir()
        write_npz(building / "pictures.npz", result.pictures)
        for name, pictures in result.pictures.items():
            write_png(building / f"{name}.png", grid(pictures))
        for name, arrays in result.arrays.items():
            write_npz(building / f"{name}.npz", arrays)
