"""The model card of one model, Markdown: what it is for, what it was made from, how good and how weak it is.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

import ast
from pathlib import Path

import genlab
from genlab import pages
from genlab.report import page, ranking, table, words
from genlab.report.collect import Laboratory, Model
from genlab.report.reproduction import Revision
from genlab.runtime.errors import InputError


def render(laboratory: Laboratory, model: Model, revision: Revision) -> str:
    """Returns the card of `model`, one of the laboratory's."""
    what, paper = chapter_of(model.kind)
    return (
        pages.environment(page.FOLDER)
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
            scores=[
                each
                for each in table.measured(model)
                if each[0].split("/")[1] not in ranking.REFERENCES
            ],
            skipped=sorted(model.scores.get("skipped", {}).items()),
            weaknesses=_weaknesses(laboratory, model),
        )
    )


def chapter_of(kind: str) -> tuple[str, str]:
    """Returns the first sentence of a model's chapter, and the papers that it names; without importing it."""
    path = Path(genlab.__file__).parent / "models" / f"{kind}.py"
    if not path.is_file():
        raise InputError(
            f"{kind} must be a kind of model",
            f"no file {path.name}",
            "See src/genlab/models",
        )
    paragraphs = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split(
        "\n\n"
    )
    first, second = (" ".join(paragraph.split()) for paragraph in [*paragraphs, ""][:2])
    return first, second


def _uses(model: Model) -> list[str]:
    """Returns what the model can do, as sentences begin."""
    samples = {
        "prior_samples": "draw images from its prior",
        "fitted_samples": "draw images from the fitted density",
    }
    can = [text for key, text in samples.items() if key in model.pictures]
    return can + (
        ["encode images", "rebuild images from latents"]
        if model.encodes
        else ["turn latents into images"]
    )


def _weaknesses(laboratory: Laboratory, model: Model) -> list[str]:
    """Returns what was measured to be weak, and what the numbers cannot tell."""
    found = [each.text for each in words.about(laboratory, model) if each.tone == "weak"]
    found += [words.warning(laboratory)] if words.warning(laboratory) else []
    if model.settings.get("kept", {}).get("rule") == "best":
        found.append(
            "The weights are those of the best validation, so validation numbers flatter it."
        )
    return found or ["None of the checks that the report makes was failed; see the scores."]
