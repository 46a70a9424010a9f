"""The page that compares all models, as one HTML text that needs nothing from outside."""

from pathlib import Path
from typing import Any

from genlab import pages
from genlab.report import drawing, protocols, rate_distortion, reproduction, strips, table, words
from genlab.report.chapters import Chapter
from genlab.report.collect import Laboratory
from genlab.report.reproduction import Revision

FOLDER = Path(__file__).parent


def render(
    laboratory: Laboratory, drawn: list[Chapter], revision: Revision, links: dict[str, str]
) -> str:
    """Returns the page. Names and texts are escaped; nothing is loaded from outside.

    Args:
        laboratory: What is shown.
        drawn: What is drawn of each model, in their order.
        revision: Of the code.
        links: Addresses relative to the page: `data_docs`, empty where there are none; and of each model's page.
    """
    groups = table.groups(
        laboratory, {model.name: links[model.name] for model in laboratory.models}
    )
    return (
        pages.environment(FOLDER)
        .get_template("index.html.j2")
        .render(
            **facts(laboratory, revision, links),
            warning=words.warning(laboratory),
            statements=words.summary(laboratory),
            groups=groups,
            everything=table.everything(laboratory),
            unranked=[row for group in groups for row in group.rows if row.unranked],
            missing=_missing(laboratory, groups),
            originals=strips.originals(laboratory),
            strips=strips.strips(laboratory),
            chapters=drawn,
            rate_distortion=rate_distortion.figure(laboratory.rate_distortion),
        )
    )


def facts(laboratory: Laboratory, revision: Revision, links: dict[str, str]) -> dict[str, Any]:
    """Returns what each page says of data, protocol and reproduction."""
    checks = laboratory.validation.get("checks", [])
    return {
        "laboratory": laboratory,
        "dataset": laboratory.dataset,
        "shape": " × ".join(map(str, laboratory.dataset["image_shape"])),
        "num_images": sum(laboratory.dataset["num_images"].values()),
        "class_counts": laboratory.validation.get("class_counts", {}),
        "checks": sorted(checks, key=lambda check: bool(check.get("success"))),
        "class_numbers": _class_numbers(laboratory),
        "validation": words.validation(checks),
        "accuracy": _share(laboratory.features_metrics.get("test/accuracy")),
        "protocols": protocols.protocols(laboratory),
        "commands": reproduction.commands(laboratory, revision),
        "revision": revision.sentence(),
        "links": links,
    }


def _missing(laboratory: Laboratory, groups: list[table.Group]) -> dict[str, list[str]]:
    """Returns per reason the values that are missing for it: `"gan, PSNR"`."""
    missing: dict[str, list[str]] = {}
    for row in (row for group in groups for row in group.rows):
        for model, cell in zip(laboratory.models, row.cells, strict=True):
            if cell.reason:
                missing.setdefault(cell.reason, []).append(f"{model.name}, {row.label}")
    return missing


def _share(value: Any) -> str:
    return "" if value is None else f"{value:.2%}"


def _class_numbers(laboratory: Laboratory) -> list[str]:
    """Returns `"0 is お"` for the classes whose names the figures' font cannot draw."""
    names = [str(name) for name in laboratory.dataset["class_names"]]
    labels = drawing.class_labels(names, len(names))
    return [
        f"{label} is {name}" for label, name in zip(labels, names, strict=True) if label != name
    ]
