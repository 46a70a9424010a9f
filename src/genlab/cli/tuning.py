"""The search for better settings."""

from pathlib import Path

import click

from genlab.cli.group import FOLDER, load_params, main, model_argument
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow

TOPIC = "Better settings"


@main.command()
@model_argument
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Of the whole study; a study that has them is confirmed.",
)
@click.option("--workers", type=click.IntRange(min=1), help="As if `search.workers` were this.")
@click.option("--study", help="Its name; by default <model>-<data set>.")
@click.option(
    "--apply",
    "is_apply",
    is_flag=True,
    help="Write the winner of the last search into params.yaml.",
)
@click.option(
    "--images", type=FOLDER, default="data/images", show_default=True, help="The fetched data set."
)
@click.option(
    "--features",
    type=FOLDER,
    default="data/features",
    show_default=True,
    help="The feature extractor.",
)
@click.option(
    "--out",
    type=FOLDER,
    default="reports/studies",
    show_default=True,
    help="Folder of all studies.",
)
def tune(
    model: str,
    trials: int | None,
    workers: int | None,
    study: str | None,
    is_apply: bool,
    images: Path,
    features: Path,
    out: Path,
) -> None:
    """Search better settings for MODEL: loss weights, learning rates, what `tune.MODEL` in params.yaml names."""
    params = load_params()
    params.model(model)
    folder = out / (study or f"{model}-{params.data.name}")
    if is_apply:
        _apply(model, folder)
        return
    if trials is None:
        raise InputError(
            "--trials must be given",
            "none",
            "Run: genlab tune MODEL --trials 30",
        )
    if workers:
        params = params.model_copy(
            update={"search": params.search.model_copy(update={"workers": workers})}
        )
    import_tensorflow()
    from genlab import tune as stage

    click.echo(stage.run(params, model, trials, images, features, folder, study))


def _apply(model: str, folder: Path) -> None:
    from genlab import tune as stage

    data, settings = stage.read_best(folder, model)
    changes = stage.apply(Path("params.yaml"), data, model, settings)
    click.echo(changes or "params.yaml has these settings already")
    if changes:
        click.echo("To make the official models with them: dvc repro")
