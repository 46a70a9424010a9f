"""The page of one model: all that is known of it, in one HTML text that needs nothing from outside."""

import dataclasses

from genlab import pages
from genlab.pages import plotly
from genlab.report import lines, page, scatter, strips, table, traversals, words
from genlab.report.chapters import Chapter
from genlab.report.collect import Laboratory, Model
from genlab.report.reproduction import Revision


def render(
    laboratory: Laboratory, model: Model, drawn: Chapter, revision: Revision, links: dict[str, str]
) -> str:
    """Returns the page of `model`, one of the laboratory's; its scatter and its curves can be moved.

    Args:
        laboratory: All models: how this one stands among them is said.
        model: Whose page it is.
        drawn: What is drawn of it; without scatter and curves.
        revision: Of the code.
        links: As of `page.render`, relative to this page.
    """
    alone = laboratory.alone(model)
    groups = table.groups(alone, {})
    return (
        pages.environment(page.FOLDER)
        .get_template("model.html.j2")
        .render(
            **page.facts(alone, revision, links),
            model=model,
            warning=words.warning(laboratory),
            statements=words.about(laboratory, model),
            groups=groups,
            measured=table.measured(model),
            skipped=sorted(model.scores.get("skipped", {}).items()),
            originals=strips.originals(alone),
            strips=strips.strips(alone),
            chapters=[dataclasses.replace(drawn, scatter=None, curves=[])],
            walks=traversals.traversals(model),
            scatter=scatter.scatter(laboratory, model),
            panels=lines.panels({model.name: model}, {model.name: laboratory.accent(model)}),
            library=plotly.library(),
            as_json=plotly.as_json,
        )
    )
