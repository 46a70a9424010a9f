"""The search for better settings."""

from pathlib import Path
from typing import Any

import click

from genlab.cli.group import OUT, folder_option, load_params, main, model_argument
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow

TOPIC = "Better settings"


@main.command()
@model_argument
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Of the whole study, or of the population; a study that has them is confirmed.",
)
@click.option("--workers", type=click.IntRange(min=1), help="In place of `search.workers`.")
@click.option("--study", help="Its name; by default <model>-<data set>.")
@click.option(
    "--apply",
    "is_apply",
    is_flag=True,
    help="Write the winner of the last search into params.yaml.",
)
@folder_option("--images", "data/images", "The fetched data set.")
@folder_option("--features", "data/features", "The judges.")
@folder_option("--out", "reports/studies", "Folder of all studies.", OUT)
def tune(model: str, study: str | None, is_apply: bool, out: Path, **options: Any) -> None:
    """Search better settings for MODEL, such as loss weights and learning rates.

    `params.yaml: tune.MODEL` says what is searched.
    """
    params = load_params(options["images"])
    params.model(model)
    folder = out / (study or f"{model}-{params.data.name}")
    if is_apply:
        _apply(model, folder)
        return
    if options["trials"] is None:
        raise InputError("--trials must be given", "none", "Run: genlab tune MODEL --trials 30")
    if options["workers"]:
        search = params.search.model_copy(update={"workers": options["workers"]})
        params = params.model_copy(update={"search": search})
    import_tensorflow()
    from genlab import tune as room
    from genlab.tune import plan

    made = plan.make(params, model, study, options["images"], options["features"])
    click.echo(room.run(made, options["trials"], folder))


def _apply(model: str, folder: Path) -> None:
    from genlab import tune as room

    data, settings = room.read_best(folder, model)
    changes = room.apply(Path("params.yaml"), data, model, settings)
    click.echo(changes or "params.yaml has these settings already")
    if changes:
        click.echo("To train the official models with them: dvc repro")
