"""Which trained model serves: a champion gives way to a model that is better under the same protocol."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from genlab import tracking
from genlab.measurement import comparison
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.tracking import registry
from genlab.tracking.registry import Version


@dataclass(frozen=True)
class Outcome:
    """What came of it, in one line."""

    is_champion: bool
    words: str


@dataclass(frozen=True)
class Candidate:
    """A trained model with its scores."""

    folder: Path
    scores_folder: Path
    settings: dict[str, Any]
    scores: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name in `params.yaml`."""
        return self.settings["name"]

    @property
    def metrics(self) -> dict[str, Any]:
        """Its scores by name."""
        return self.scores["metrics"]


def promote(folder: Path, scores: Path, by: str = comparison.DECIDING, reason: str = "") -> Outcome:
    """Makes a trained model its name's champion where it is better than the present one, or where a reason is given.

    Args:
        folder: The trained model's.
        scores: With its `scores.json`.
        by: The metric that decides, see `verdict.deciding`.
        reason: Why it becomes champion whatever the scores say; empty: only if they say so.

    Raises:
        InputError: There is no such model, it has no scores or none by this metric, or MLflow does not answer.
    """
    candidate = _read(folder, scores)
    name = comparison.deciding(candidate.metrics, by)
    if name is None:
        raise comparison.unknown(by, candidate.metrics)
    lock = workspace.state("tracking", "registry.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        present = registry.champion(candidate.name)
        if present and present.tags.get("genlab.train_key") == candidate.scores["train_key"]:
            return Outcome(True, f"{candidate.name} is the champion already: {present.address}")
        objection = _objection(candidate, name, present)
        if objection and not reason:
            return Outcome(False, f"{candidate.name} is not promoted: {objection}")
        version = _register(candidate, name, reason if objection else "", present)
    return Outcome(
        True,
        f"{candidate.name} is the champion now: {version.address}, {_told(candidate.metrics, name)}",
    )


def _read(folder: Path, scores: Path) -> Candidate:
    texts = {}
    for path in (folder / "settings.json", scores / "scores.json"):
        if not path.is_file():
            what = "a trained model" if path.parent == folder else "scored"
            raise InputError(
                f"{folder} must be {what}",
                f"no {path}",
                "Run: dvc repro",
            )
        texts[path.name] = json.loads(path.read_text())
    found = Candidate(folder, scores, texts["settings.json"], texts["scores.json"])
    if found.settings["train_key"] != found.scores["train_key"]:
        raise InputError(
            f"{scores} must hold the scores of {folder}",
            "those of another training",
            f"Run: dvc repro evaluate@{found.name}",
        )
    return found


def _objection(candidate: Candidate, name: str, present: Version | None) -> str:
    """Returns why the candidate does not replace the present champion; empty where it does."""
    if present is None:
        return ""
    mine, theirs = candidate.metrics[name], present.scores.get("metrics", {}).get(name)
    if theirs is None:
        return f"the champion {present.address} has no score by {name}"
    dataset = present.tags.get("genlab.dataset")
    if dataset != candidate.settings["dataset"]:
        return f"it was trained on {candidate.settings['dataset']}, the champion {present.address} on {dataset}"
    found = comparison.objection(mine, theirs)
    both = (
        f"it has {comparison.told(mine)}, the champion {present.address} {comparison.told(theirs)}"
    )
    return found and f"by {name} {found}; {both}"


def _register(candidate: Candidate, name: str, reason: str, present: Version | None) -> Version:
    """Puts scores and model into MLflow where they are not, and registers the model with these."""
    key, protocol = candidate.scores["train_key"], candidate.scores["protocol"]
    kind = candidate.settings["kind"]
    with tracking.scoring_run(
        train_key=key, name=candidate.name, kind=kind, protocol=protocol
    ) as run:
        run.log_artifact(candidate.scores_folder, "scores")
        if not registry.has_model(key):
            run.log_model(candidate.folder)
    if run.run_id is None:
        raise InputError(
            "MLflow must take the model's scores",
            "no answer",
            "Run the same command again",
        )
    tags = {
        "genlab.train_key": key,
        "genlab.protocol": protocol,
        "genlab.kind": kind,
        "genlab.dataset": candidate.settings["dataset"],
        "genlab.decided_by": name,
        "genlab.score": comparison.told(candidate.metrics[name]),
    }
    tags |= {"genlab.forced": reason} if reason else {}
    return registry.crown(
        candidate.name, run.run_id, key, tags, _description(candidate, name, reason, present)
    )


def _description(candidate: Candidate, name: str, reason: str, present: Version | None) -> str:
    lines = [comparison.sentence(candidate.metrics)]
    if present and not reason:
        theirs = comparison.told(present.scores["metrics"][name])
        lines.append(f"Better than version {present.number} by {name}: {theirs} before.")
    if reason:
        lines.append(f"Promoted whatever the scores say: {reason}")
    return "\n\n".join(lines)


def _told(metrics: dict[str, Any], name: str) -> str:
    return f"{name} {comparison.told(metrics[name])}"
