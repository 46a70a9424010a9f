"""Which trained model serves: a champion gives way to a better one under the same protocol."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from genlab import tracking
from genlab.contract import comparison
from genlab.contract.score import Score, scores_from_json
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.tracking import registry
from genlab.tracking.registry import Version


class Promotion(NamedTuple):
    """Whether the model is the champion now, and why in one line."""

    is_champion: bool
    words: str


@dataclass(frozen=True)
class Candidate:
    """A trained model with its scores.

    Attributes:
        folder: The trained model's.
        scores_folder: With `scores.json`.
        settings: `settings.json`.
        protocol: A hash of what the scores depend on beside the model.
        scores: By full name.
        metric: The full name of the metric that decides.
    """

    folder: Path
    scores_folder: Path
    settings: dict[str, Any]
    protocol: str
    scores: dict[str, Score]
    metric: str

    @property
    def name(self) -> str:
        """The model's name in `params.yaml`."""
        return str(self.settings["name"])

    @property
    def score(self) -> Score:
        """The score that decides."""
        return self.scores[self.metric]


def promote(
    folder: Path, scores: Path, by: str = comparison.DECIDING, reason: str = ""
) -> Promotion:
    """Makes a trained model its name's champion if it is better, or if a reason is given.

    Args:
        folder: The trained model's.
        scores: With its `scores.json`.
        by: The metric that decides, see `comparison.deciding`.
        reason: Why it becomes champion whatever the scores; empty: only if they are better.

    Raises:
        InputError: There is no such model, it has no score by this metric, or MLflow does not
            answer.
    """
    candidate = _read(folder, scores, by)
    name, key = candidate.name, candidate.settings["train_key"]
    lock = workspace.state("tracking", "registry.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        present = registry.champion(name)
        if present and present.tags.get("genlab.train_key") == key:
            return Promotion(True, f"{name} is the champion already: {present.address}")
        objection = _copies(candidate) or (_objection(candidate, present) if present else "")
        if objection and not reason:
            return Promotion(False, f"{name} is not promoted: {objection}")
        version = _register(candidate, reason if objection else "", present)
    score = f"{candidate.metric} {comparison.told(candidate.score)} in this training"
    return Promotion(True, f"{name} is the champion now: {version.address}, {score}")


def _read(folder: Path, scores_folder: Path, by: str) -> Candidate:
    settings = _read_json(folder / "settings.json", f"{folder} must be a trained model")
    facts = _read_json(scores_folder / "scores.json", f"{folder} must be scored")
    if settings["train_key"] != facts["train_key"]:
        raise InputError(
            f"{scores_folder} must hold the scores of {folder}",
            "those of another training",
            f"Run: dvc repro evaluate@{settings['name']}",
        )
    scores = scores_from_json(facts["metrics"])
    metric = comparison.deciding(scores, by)
    if metric is None:
        raise comparison.unknown(by, scores)
    return Candidate(folder, scores_folder, settings, facts["protocol"], scores, metric)


def _read_json(path: Path, expected: str) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(expected, f"no {path}", "Run: dvc repro")
    return json.loads(path.read_text())


def _champion_score(champion: Version, metric: str) -> Score | None:
    return scores_from_json(champion.scores.get("metrics", {})).get(metric)


def _objection(candidate: Candidate, champion: Version) -> str:
    """Returns why the candidate does not replace the champion; empty where it does."""
    theirs = _champion_score(champion, candidate.metric)
    if theirs is None:
        return f"the champion {champion.address} has no score by {candidate.metric}"
    own, dataset = candidate.settings["dataset"], champion.tags.get("genlab.dataset")
    if dataset != own:
        return f"it was trained on {own}, the champion {champion.address} on {dataset}"
    objection = comparison.objection(candidate.score, theirs)
    both = (
        f"it has {comparison.told(candidate.score)}, "
        f"the champion {champion.address} {comparison.told(theirs)}"
    )
    return objection and f"by {candidate.metric} {objection}; {both}"


def _copies(candidate: Candidate) -> str:
    """Returns which samples of the candidate are copies of its train images; empty if few are."""
    sources = {name.split("/")[1]: None for name in candidate.scores}
    texts = ((source, comparison.copies(candidate.scores, source)) for source in sources)
    return "; ".join(f"of its {source} samples {text}" for source, text in texts if text)


def _register(candidate: Candidate, reason: str, champion: Version | None) -> Version:
    """Logs scores and model where MLflow lacks them, and registers the model with these."""
    settings, protocol = candidate.settings, candidate.protocol
    key, kind = settings["train_key"], settings["kind"]
    with tracking.scoring_run(
        train_key=key, name=candidate.name, kind=kind, protocol=protocol
    ) as run:
        run.log_artifact(candidate.scores_folder, "scores")
        if not registry.has_model(key):
            run.log_model(candidate.folder)
    if run.run_id is None:
        raise InputError(
            "MLflow must take the model's scores", "no answer", "Run the same command again"
        )
    tags = {
        "genlab.train_key": key,
        "genlab.protocol": protocol,
        "genlab.kind": kind,
        "genlab.dataset": settings["dataset"],
        "genlab.decided_by": candidate.metric,
        "genlab.score": comparison.told(candidate.score),
    }
    tags |= {"genlab.forced": reason} if reason else {}
    description = _description(candidate, reason, champion)
    return registry.crown(candidate.name, run.run_id, key, tags, description)


def _description(candidate: Candidate, reason: str, champion: Version | None) -> str:
    lines = [comparison.sentence(candidate.scores)]
    theirs = _champion_score(champion, candidate.metric) if champion else None
    if reason:
        lines.append(f"Promoted whatever the scores say: {reason}")
    elif champion and theirs:
        metric, before = candidate.metric, comparison.told(theirs)
        lines.append(f"Better than version {champion.number} by {metric}: {before} before.")
    return "\n\n".join(lines)
