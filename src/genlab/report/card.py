"""The model card of one model, Markdown: what it is for, and how good and how weak it is.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

import ast
import importlib.util
from pathlib import Path

from genlab import pages
from genlab.report import ranking, reproduction, table, words
from genlab.report.laboratory import Laboratory, Model
from genlab.report.page import FOLDER
from genlab.report.reproduction import Revision
from genlab.settings import plugins

SAMPLES = {"prior": "draw images from its prior", "fitted": "draw images from the fitted density"}


def render(laboratory: Laboratory, model: Model, revision: Revision) -> str:
    """Returns the card of `model`, one of the laboratory's."""
    what, paper = chapter_of(model.kind)
    scores = [
        row for row in table.measured(model) if row[0].split("/")[1] not in ranking.REFERENCES
    ]
    return (
        pages.environment(FOLDER)
        .get_template("card.md.j2")
        .render(
            laboratory=laboratory,
            dataset=laboratory.dataset,
            shape=" × ".join(map(str, laboratory.dataset["image_shape"])),
            model=model,
            what=what,
            paper=paper,
            uses=_uses(model),
            revision=revision,
            scores=scores,
            skipped=sorted(model.skipped.items()),
            weaknesses=_weaknesses(laboratory, model),
            command=reproduction.generate(model, seed=0),
        )
    )


def chapter_of(kind: str) -> tuple[str, str]:
    """Returns the first two paragraphs of a model's chapter, without importing it.

    They are what the model is, and its papers.
    """
    plugins.check("models", kind, "settings.json: kind")
    spec = importlib.util.find_spec(f"genlab.models.{kind}")
    source = Path(str(spec and spec.origin)).read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    first, second = [" ".join(part.split()) for part in [*text.split("\n\n"), ""]][:2]
    return first, second


def _uses(model: Model) -> list[str]:
    """Returns what the model can do, as sentences begin."""
    uses = [SAMPLES.get(source, f"draw images from {source}") for source in model.sources]
    uses += ["translate inputs into images"] if "translation" in model.pictures else []
    uses += ["encode images", "rebuild images from latents"] if model.encodes else []
    can_decode = model.latent_dim and not model.encodes
    return uses + (["turn latents into images"] if can_decode else [])


def _weaknesses(laboratory: Laboratory, model: Model) -> list[str]:
    """Returns what was measured to be weak, and what the numbers cannot tell."""
    texts = [each.text for each in words.about(laboratory, model) if each.tone == "weak"]
    texts += [words.warning(laboratory)] if words.warning(laboratory) else []
    if model.settings.get("kept", {}).get("rule") == "best":
        texts.append(
            "The weights are those of the best validation, so validation numbers flatter it."
        )
    return texts or ["None of the checks that the report makes was failed; see the scores."]
