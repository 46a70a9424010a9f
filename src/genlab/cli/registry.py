"""Which trained model serves, and trained models for other programs."""

import sys
from pathlib import Path

import click

from genlab.cli.group import FOLDER, OUT, main, model_argument
from genlab.runtime.native_output import import_tensorflow

TOPIC = "With a trained model"

NOT_BETTER_EXIT_CODE = 3
"""Click's own for a wrong call is 2."""

models_option = click.option(
    "--models", type=FOLDER, default="models", show_default=True, help="Folder of trained models."
)


@main.command()
@model_argument
@click.option(
    "--by", default="frechet_distance", show_default=True, help="The metric that decides."
)
@click.option(
    "--force", "reason", default="", metavar="REASON", help="Promote whatever the scores; recorded."
)
@models_option
@click.option(
    "--scores", type=FOLDER, default="reports/scores", show_default=True, help="Folder of scores."
)
def promote(model: str, by: str, reason: str, models: Path, scores: Path) -> None:
    """Make the trained MODEL the champion of its name in MLflow's registry, if it is better.

    Exits with 0 if it is the champion now, with 3 if its scores are not better, with 1 if it has
    none.
    """
    from genlab.workflows import promotion

    outcome = promotion.promote(models / model, scores / model, by, reason)
    click.echo(outcome.words)
    sys.exit(0 if outcome.is_champion else NOT_BETTER_EXIT_CODE)


@main.command()
@model_argument
@click.option("--format", "name", type=click.Choice(["savedmodel", "onnx"]), required=True)
@models_option
@click.option("--out", type=OUT, required=True, help="A new folder, or an earlier export.")
def export(model: str, name: str, models: Path, out: Path) -> None:
    """Write the trained MODEL for other programs, as SavedModel or ONNX, and check it."""
    import_tensorflow()
    from genlab import tracking
    from genlab.workflows import export as writer

    writer.export(tracking.trained_folder(model, models), name, out)
    click.echo(f"{model} as {name}, with export.json: {out}")
