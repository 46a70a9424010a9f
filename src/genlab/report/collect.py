"""What the other stages wrote, read and checked for every model that `params.yaml` lists."""

import csv
import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from genlab.imaging.arrays import read_description
from genlab.report import drawing
from genlab.runtime.errors import InputError
from genlab.runtime.files import DAMAGED
from genlab.settings.params import Params

NOT_MEASURED = "not measured"
Series = tuple[np.ndarray, np.ndarray]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """One trained and scored model.

    Attributes:
        name: Its key in `params.yaml`.
        settings: Its `settings.json`.
        scores: Its `scores.json`: metrics with interval, unit, direction, floor and protocol; skipped; num_parameters.
        history: Per column of `history.csv` the steps, int64 (t,), and the finite values, float64 (t,).
        progress: Per kind (`samples`, `reconstructions`) the PNG files with their steps, ascending.
        pictures: uint8 NHWC: originals, reconstructions, prior_samples, fitted_samples, closest_pairs; if there.
        latents: latents (n, latent_dim) and labels (n,) of test images; empty where the model cannot encode.
        class_histogram: Counts per class (c,): real, prior, fitted; empty without labels.
        kl_per_dimension: kl (latent_dim,), nats per image; empty where there is no posterior.
        histograms: step (t,), edges (b+1,), mean and log_variance (t, b); empty where there are none.
        interpolations, traversals: What `genlab.evaluation` wrote under these names; empty where it did not.
        timings: train_seconds, images_per_second, device, run_url; those that there are.
    """

    name: str
    settings: dict[str, Any]
    scores: dict[str, Any]
    history: dict[str, Series]
    progress: dict[str, list[tuple[int, Path]]] = field(default_factory=dict)
    pictures: Arrays = field(default_factory=dict)
    latents: Arrays = field(default_factory=dict)
    class_histogram: Arrays = field(default_factory=dict)
    kl_per_dimension: Arrays = field(default_factory=dict)
    histograms: Arrays = field(default_factory=dict)
    interpolations: Arrays = field(default_factory=dict)
    traversals: Arrays = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its chapter: `vae`."""
        return str(self.settings["kind"])

    @property
    def encodes(self) -> bool:
        """Whether it reconstructs with an encoder; otherwise the latent is optimised."""
        return bool(self.latents)

    def setting(self, key: str) -> Any:
        """Returns one of the settings that it was trained with, or nothing."""
        return self.settings["settings"].get(key)

    def value(self, metric: str) -> float | None:
        """Returns a finite metric, or nothing."""
        value = self.scores["metrics"].get(metric, {}).get("value")
        return float(value) if value is not None and math.isfinite(value) else None

    def floor(self, metric: str, kind: str = "floor") -> float | None:
        """Returns what real images score against real ones: `floor` train images, `floor_halves` other test images."""
        value = (self.about(metric, "floor") or {}).get(kind, {}).get("value")
        return float(value) if value is not None and math.isfinite(value) else None

    def about(self, metric: str, key: str) -> Any:
        """Returns the `unit`, `direction`, `interval`, `method` or `protocol` of a metric, or nothing."""
        return self.scores["metrics"].get(metric, {}).get(key)

    def reason(self, metric: str) -> str:
        """Returns why the metric has no value."""
        if metric in self.scores["metrics"]:
            return "the value is not finite"
        return str(self.scores.get("skipped", {}).get(metric, NOT_MEASURED))


class Compared(Protocol):
    """Models that stand beside each other in one table."""

    @property
    def models(self) -> list[Model]:
        """The columns."""

    @property
    def num_real(self) -> int:
        """The number of real test images that samples are compared with."""


@dataclass(frozen=True)
class RateDistortion:
    """The curve of a VAE over the weight of its KL: per column the numbers of all points, and how they came about."""

    points: dict[str, list[float]]
    protocol: dict[str, Any]


@dataclass(frozen=True)
class Laboratory:
    """All that the page shows."""

    params: Params
    dataset: dict[str, Any]
    validation: dict[str, Any]
    features_settings: dict[str, Any]
    features_metrics: dict[str, Any]
    models: list[Model]
    images: Path
    rate_distortion: RateDistortion | None = None

    def accent(self, model: Model) -> str:
        """Returns the model's colour, the same on every page."""
        return drawing.accent([*self.params.models].index(model.name))

    def alone(self, model: Model) -> "Laboratory":
        """Returns the same with this model only."""
        return dataclasses.replace(self, models=[model])

    @property
    def num_real(self) -> int:
        """The number of real test images that samples are compared with."""
        return min(self.params.evaluation.num_images, int(self.dataset["num_images"]["test"]))

    @property
    def feature_dim(self) -> int:
        """The number of features that Fréchet distances are measured on."""
        return int(self.features_settings["settings"]["feature_dim"])


def read(
    params: Params,
    models: Path,
    scores: Path,
    evaluation: Path,
    features: Path,
    images: Path,
    validation: Path,
    timings: Path,
    rate_distortion: Path,
) -> Laboratory:
    """Reads all that the page shows; see `genlab.report.run`.

    Raises:
        InputError: A file is missing, unreadable, or belongs to another training.
    """
    return Laboratory(
        params=params,
        dataset=read_description(Path(images)),
        validation=_read_json(Path(validation), "validate"),
        features_settings=_read_json(
            Path(features) / "settings.json", "features", ("settings", "weights_sha256")
        ),
        features_metrics=_read_json(Path(features) / "metrics.json", "features"),
        models=[
            _read_model(name, Path(models), Path(scores), Path(evaluation), Path(timings))
            for name in params.models
        ],
        images=Path(images),
        rate_distortion=_read_rate_distortion(Path(rate_distortion)),
    )


def _read_rate_distortion(folder: Path) -> RateDistortion | None:
    """Returns what the command `rate-distortion` wrote, if it was run."""
    table, command = folder / "rate_distortion.csv", "genlab rate-distortion vae"
    if not table.is_file():
        return None
    rows = list(
        csv.DictReader(_read_text(table, "written by genlab rate-distortion", "").splitlines())
    )
    try:
        points = {name: [float(row[name]) for row in rows] for name in rows[0]}
    except (IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"{table} must be a table of numbers",
            str(error),
            f"Run: {command}",
        ) from None
    return RateDistortion(points, _read_json(folder / "rate_distortion.json", ""))


def _read_model(name: str, models: Path, scores: Path, evaluation: Path, timings: Path) -> Model:
    train, evaluate = f"train@{name}", f"evaluate@{name}"
    settings = _read_json(models / name / "settings.json", train, ("kind", "settings"))
    model = Model(
        name=name,
        settings=settings,
        scores=_read_json(scores / name / "scores.json", evaluate, ("metrics",)),
        history=_read_history(models / name / "history.csv", train),
        progress=_find_progress(models / name / "progress"),
        pictures=_read_arrays(evaluation / name / "pictures.npz", evaluate),
        latents=_read_arrays_if_any(evaluation / name / "latents.npz", evaluate),
        class_histogram=_read_arrays_if_any(evaluation / name / "class_histogram.npz", evaluate),
        kl_per_dimension=_read_arrays_if_any(evaluation / name / "kl_per_dimension.npz", evaluate),
        histograms=_read_arrays_if_any(models / name / "histograms.npz", train),
        interpolations=_read_arrays_if_any(evaluation / name / "interpolations.npz", evaluate),
        traversals=_read_arrays_if_any(evaluation / name / "traversals.npz", evaluate),
        timings=_read_timings(timings / f"{name}.json", settings, train),
    )
    trained, scored = model.settings.get("train_key"), model.scores.get("train_key")
    if trained != scored:
        raise InputError(
            f"{scores / name / 'scores.json'} must hold the scores of training {trained}",
            f"train_key={scored}",
            f"Run: dvc repro {evaluate}",
        )
    return model


def _read_timings(path: Path, settings: dict[str, Any], stage: str) -> dict[str, Any]:
    """Returns the times of this very training; none where the file is missing or speaks of another."""
    timings = _read_json(path, stage) if path.is_file() else {}
    return timings if timings.get("train_key") == settings.get("train_key") else {}


def _must_be(path: Path, what: str, received: object, stage: str) -> InputError:
    return InputError(
        f"{path} must be {what}",
        str(" ".join(str(received).split())),
        f"Run: dvc repro {stage}",
    )


def _read_text(path: Path, what: str, stage: str) -> str:
    if not path.is_file():
        raise _must_be(path, what, "no such file", stage)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _must_be(path, what, error, stage) from None


def _read_json(path: Path, stage: str, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    what = f"written by the stage {stage.partition('@')[0]}"
    text = _read_text(path, what, stage)
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise _must_be(path, what, error, stage) from None
    if not isinstance(values, dict) or any(key not in values for key in keys):
        raise _must_be(path, f"a mapping with {', '.join(keys) or 'names'}", f"{text:.60}", stage)
    return values


def _read_arrays(path: Path, stage: str) -> Arrays:
    what = f"written by the stage {stage.partition('@')[0]}"
    if not path.is_file():
        raise _must_be(path, what, "no such file", stage)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except DAMAGED as error:
        raise _must_be(path, what, error, stage) from None


def _read_arrays_if_any(path: Path, stage: str) -> Arrays:
    return _read_arrays(path, stage) if path.is_file() else {}


def _read_history(path: Path, stage: str) -> dict[str, Series]:
    rows = list(csv.DictReader(_read_text(path, "written by the stage train", stage).splitlines()))
    if not rows or "step" not in rows[0]:
        raise _must_be(path, "a table with the column step", "none" if rows else "no rows", stage)
    try:
        columns = {name: _finite(rows, name) for name in rows[0] if name and name != "step"}
    except (TypeError, ValueError) as error:
        raise _must_be(path, "a table of numbers", error, stage) from None
    return {name: series for name, series in columns.items() if len(series[0])}


def _finite(rows: list[dict[str, str]], name: str) -> Series:
    pairs = [(int(float(row["step"])), float(row[name])) for row in rows if row[name]]
    finite = [pair for pair in pairs if math.isfinite(pair[1])]
    return np.array([step for step, _ in finite], np.int64), np.array(
        [value for _, value in finite], np.float64
    )


def _find_progress(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.glob("*.png")):
        match = re.fullmatch(r"(samples|reconstructions)_(\d+)", path.stem)
        if match:
            found.setdefault(match[1], []).append((int(match[2]), path))
    return {kind: sorted(grids) for kind, grids in sorted(found.items(), reverse=True)}
