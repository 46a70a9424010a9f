"""The model card of one model, Markdown: what it is for, and how good and how weak it is.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

import ast
import importlib.util
from pathlib import Path

from genlab import pages
from genlab.report import ranking, reproduction, table, words
from genlab.report.laboratory import Laboratory, ReportedModel
from genlab.report.page import FOLDER
from genlab.settings import plugins

SAMPLES = {"prior": "draw images from its prior", "fitted": "draw images from the fitted density"}


def render(laboratory: Laboratory, model: ReportedModel) -> str:
    """Returns the card of `model`, one of the laboratory's."""
    what, paper = chapter_of(model.kind)
    measured = table.measured(model)
    scores = [row for row in measured if row[0].split("/")[1] not in ranking.REFERENCES]
    return pages.render(
        FOLDER,
        "card.md.j2",
        laboratory=laboratory,
        dataset=laboratory.dataset,
        shape=laboratory.shape,
        model=model,
        what=what,
        paper=paper,
        uses=_uses(model),
        scores=scores,
        skipped=sorted(model.skipped.items()),
        weaknesses=_weaknesses(laboratory, model),
        command=reproduction.generate(model, seed=0),
    )


def chapter_of(kind: str) -> tuple[str, str]:
    """Returns what a model is and its papers, from its chapter, without importing it."""
    plugins.check("models", kind, "settings.json: kind")
    spec = importlib.util.find_spec(f"genlab.models.{kind}")
    source = Path(str(spec and spec.origin)).read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    first, second = [" ".join(part.split()) for part in [*text.split("\n\n"), ""]][:2]
    return first, second


def _uses(model: ReportedModel) -> list[str]:
    """Returns what the model can do, as sentences begin."""
    uses = [SAMPLES.get(source, f"draw images from {source}") for source in model.sources]
    uses += ["translate inputs into images"] if "translation" in model.pictures else []
    uses += ["encode images", "rebuild images from latents"] if model.encodes else []
    can_decode = model.latent_dim and not model.encodes
    return uses + (["turn latents into images"] if can_decode else [])


def _weaknesses(laboratory: Laboratory, model: ReportedModel) -> list[str]:
    """Returns what was measured to be weak, and what the numbers cannot tell."""
    texts = [each.text for each in words.about(laboratory, model) if each.tone == "weak"]
    texts += [words.warning(laboratory)] if words.warning(laboratory) else []
    if model.settings.get("kept", {}).get("rule") == "best":
        texts.append("Its weights are those of the best validation: validation flatters it.")
    return texts or ["None of the checks that the report makes was failed; see the scores."]
