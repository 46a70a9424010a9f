"""Reads and checks what the other stages wrote, for every model in `params.yaml`."""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genlab.contract.score import Score
from genlab.imaging.arrays import read_description
from genlab.report import revision, trainings
from genlab.report.laboratory import Arrays, Laboratory, RateDistortion, ReportedModel, Series
from genlab.runtime.errors import InputError
from genlab.runtime.files import DAMAGED
from genlab.settings.params import Params

NOT_FINITE = "the value is not finite"
UNREADABLE = (*DAMAGED, AttributeError, IndexError, TypeError)


@dataclass(frozen=True)
class ReportPaths:
    """Where the other stages wrote, and where the pages go.

    Attributes:
        models: Folder with one trained model per name.
        scores: Folder with `<name>/scores.json`.
        trainings: Folder with `<name>.json`, the scores of further trainings; may be missing.
        evaluation: Folder with `<name>/pictures.npz` and other arrays.
        features: Folder of the reporting judges.
        images: Folder of the fetched data set.
        validation: The summary that the stage `validate` wrote.
        timings: Folder with `<name>.json`; may be missing.
        rate_distortion: Folder that `genlab rate-distortion` wrote; may be missing.
        data_docs: Folder of the Data Docs, for a link; may be missing.
        plots: Folder for what `dvc plots` shows.
        pages: Folder for `<name>.html` and `<name>.md`; replaced as a whole.
        out: The HTML file that compares all models.
    """

    models: Path
    scores: Path
    trainings: Path
    evaluation: Path
    features: Path
    images: Path
    validation: Path
    timings: Path
    rate_distortion: Path
    data_docs: Path
    plots: Path
    pages: Path
    out: Path


def read(params: Params, paths: ReportPaths) -> Laboratory:
    """Returns all that the pages show.

    Raises:
        InputError: A file is missing, unreadable, or belongs to another training.
    """
    return Laboratory(
        params=params,
        dataset=read_description(paths.images),
        validation=_read_json(paths.validation, "validate"),
        judges=_read_judges(paths.features),
        models=[_read_model(name, paths) for name in params.models],
        images=paths.images,
        revision=revision.of_working_directory(),
        rate_distortion=_read_rate_distortion(paths.rate_distortion),
    )


def finite_scores(evaluated: Mapping[str, Any]) -> tuple[dict[str, Score], dict[str, str]]:
    """Returns the finite scores of a `scores.json`, and why the others are missing.

    Raises:
        KeyError, TypeError, AttributeError: A score lacks a part.
    """
    scores = {name: Score.from_json(values) for name, values in evaluated["metrics"].items()}
    finite = {name: score for name, score in scores.items() if math.isfinite(score.value)}
    skipped = evaluated.get("skipped", {}) | dict.fromkeys(scores.keys() - finite, NOT_FINITE)
    return finite, skipped


def _read_model(name: str, paths: ReportPaths) -> ReportedModel:
    train, evaluate = f"train@{name}", f"evaluate@{name}"
    folder, evaluation = paths.models / name, paths.evaluation / name
    settings = _read_json(folder / "settings.json", train, "kind", "settings")
    path = paths.scores / name / "scores.json"
    evaluated = _read_json(path, evaluate, "metrics")
    with _reading(path, evaluate):
        scores, skipped = finite_scores(evaluated)
    _check_training(path, settings.get("train_key"), evaluated.get("train_key"), evaluate)
    scores = trainings.joined(scores, _read_further(paths.trainings / f"{name}.json", name))
    pictures = _read_arrays(evaluation / "pictures.npz", evaluate)
    others = sorted(set(evaluation.glob("*.npz")) - {evaluation / "pictures.npz"})
    arrays = {file.stem: _read_arrays(file, evaluate) for file in others}
    if (histograms := folder / "histograms.npz").is_file():
        arrays["histograms"] = _read_arrays(histograms, train)
    return ReportedModel(
        name=name,
        settings=settings,
        scores=scores,
        skipped=skipped,
        num_parameters=evaluated.get("num_parameters"),
        protocol=evaluated.get("protocol", ""),
        history=_read_history(folder / "history.csv", train),
        progress=_find_progress(folder / "progress"),
        pictures=pictures,
        arrays=arrays,
        timings=_read_timings(paths.timings / f"{name}.json", settings, train),
    )


def _read_further(path: Path, name: str) -> list[dict[str, Score]]:
    """Returns the scores of each further training; none where the file is missing."""
    if not path.is_file():
        return []
    stage = f"repeat@{name}"
    found = _read_json(path, stage, "trainings")["trainings"]
    with _reading(path, stage):
        return [finite_scores(training)[0] for training in found]


def _check_training(path: Path, trained: object, scored: object, stage: str) -> None:
    if trained != scored:
        expected = f"{path} must hold the scores of training {trained}"
        raise InputError(expected, f"train_key={scored}", f"Run: dvc repro {stage}")


def _read_judges(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns by name what is known of the reporting judges; at least one."""
    folders = sorted(path for path in folder.glob("*") if path.is_dir()) or [folder / "strided"]
    needed = ("settings", "weights_sha256", "test_accuracy")
    return {path.name: _read_json(path / "settings.json", "features", *needed) for path in folders}


def _read_timings(path: Path, settings: dict[str, Any], stage: str) -> dict[str, Any]:
    """Returns the times of this training; none where the file is missing or of another one."""
    timings = _read_json(path, stage) if path.is_file() else {}
    return timings if timings.get("train_key") == settings.get("train_key") else {}


def _read_rate_distortion(folder: Path) -> RateDistortion | None:
    path = folder / "rate_distortion.csv"
    if not path.is_file():
        return None
    with _reading(path, command="genlab rate-distortion vae"):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        points = {name: [float(row[name]) for row in rows] for name in rows[0]}
    return RateDistortion(points, _read_json(folder / "rate_distortion.json", "rate-distortion"))


def _read_history(path: Path, stage: str) -> dict[str, Series]:
    with _reading(path, stage):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        columns = {name: _finite(rows, name) for name in rows[0] if name and name != "step"}
    return {name: series for name, series in columns.items() if len(series[0])}


def _finite(rows: list[dict[str, str]], name: str) -> Series:
    pairs = [(int(float(row["step"])), float(row[name])) for row in rows if row[name]]
    finite = [pair for pair in pairs if math.isfinite(pair[1])]
    steps, values = [step for step, _ in finite], [value for _, value in finite]
    return np.array(steps, np.int64), np.array(values, np.float64)


def _find_progress(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    grids: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.glob("*.png"):
        if match := re.fullmatch(r"(\w+)_(\d+)", path.stem):
            grids.setdefault(match[1], []).append((int(match[2]), path))
    return {kind: sorted(grids[kind]) for kind in sorted(grids, reverse=True)}


def _read_arrays(path: Path, stage: str) -> Arrays:
    with _reading(path, stage), np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def _read_json(path: Path, stage: str, *keys: str) -> dict[str, Any]:
    with _reading(path, stage):
        values = json.loads(path.read_text(encoding="utf-8"))
        if missing := [key for key in keys if key not in values]:
            raise ValueError(f"no {missing[0]}")
    return values


@contextmanager
def _reading(path: Path, stage: str = "", command: str = "") -> Iterator[None]:
    """Raises an InputError for a file that is missing or that the block cannot read."""
    what = f"the stage {stage.partition('@')[0]}" if stage else command
    expected, where = f"{path} must be written by {what}", f"Run: {command or f'dvc repro {stage}'}"
    if not path.is_file():
        raise InputError(expected, "no such file", where)
    try:
        yield
    except UNREADABLE as error:
        raise InputError(expected, " ".join(str(error).split()), where) from None
