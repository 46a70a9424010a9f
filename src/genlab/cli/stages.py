"""One subcommand per stage of dvc.yaml, which gives them their paths; the check of params.yaml."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from genlab.cli.group import FOLDER, OUT, load_params, main, model_argument, out_option, path_option
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow

TOPIC = "The stages, one after the other: dvc.yaml gives them their paths"


@main.command()
@out_option("--out", "Folder of the arrays.")
def fetch(out: Path) -> None:
    """Fetch the data set `data.name`, checked, as arrays."""
    from genlab.stages import fetch as stage

    stage.run(load_params(), out)


@main.command()
@path_option("--images", "The fetched data set.")
@out_option("--out", "The summary, JSON.")
@out_option("--data-docs", "Folder of the Data Docs, HTML.")
def validate(images: Path, out: Path, data_docs: Path) -> None:
    """Check that the images are valid; stop the pipeline when they are not."""
    from genlab.stages import validate as stage

    stage.run(load_params(), images, out, data_docs)


@main.command()
@path_option("--images", "The fetched data set.")
@out_option("--out", "Folder of the judges.")
def features(images: Path, out: Path) -> None:
    """Take the pinned judges that distances are measured by, or train them."""
    import_tensorflow()
    from genlab.stages import features as stage

    stage.run(load_params(images), images, out)


@main.command()
@path_option("--images", "The fetched data set.")
@path_option("--features", "Folder of the reporting judges.")
@out_option("--out", "Folder for metrics.json and scores.json.")
def floor(images: Path, features: Path, out: Path) -> None:
    """Measure real images against real ones: what a perfect generator would score."""
    import_tensorflow()
    from genlab.stages import floor as stage

    stage.run(load_params(images), images, features, out)


@main.command()
@model_argument
@path_option("--images", "The fetched data set.")
@path_option("--features", "Folder of the selection judges, for `monitor: frechet_distance`.")
@out_option("--out", "Folder of the trained model.")
@out_option("--timings", "Folder for seconds and speed, not hashed by DVC.")
@click.option("--no-wait", is_flag=True, help="Fail if another process runs an equal training.")
def train(model: str, no_wait: bool, **paths: Path) -> None:
    """Train MODEL, an entry of `models` in params.yaml."""
    import_tensorflow()
    from genlab.stages import train as stage

    stage.run(load_params(paths["images"]), model, stage.TrainPaths(**paths), wait=not no_wait)


@main.command()
@path_option("--model", "Folder of the trained model.")
@path_option("--images", "The fetched data set.")
@path_option("--features", "Folder of the reporting judges.")
@path_option("--floor", "Folder of the real-against-real scores.")
@out_option("--scores", "Folder for metrics.json and scores.json.")
@out_option("--pictures", "Folder for the pictures.")
def evaluate(**paths: Path) -> None:
    """Score a trained model on the test images."""
    import_tensorflow()
    from genlab.stages import evaluate as stage

    stage.run(load_params(paths["images"]), stage.EvaluationPaths(**paths))


@main.command()
@model_argument
@path_option("--images", "The fetched data set.")
@path_option("--features", "Folder of the judges.")
@out_option("--out", "The scores of the further trainings, JSON.")
def repeat(model: str, **paths: Path) -> None:
    """Train MODEL again with other seeds, as often as `training.num_seeds` says."""
    import_tensorflow()
    from genlab.stages import repeat as stage

    stage.run(load_params(paths["images"]), model, stage.RepeatPaths(**paths))


REPORT = {
    "--models": "Folder of all trained models.",
    "--scores": "Folder of all scores.",
    "--evaluation": "Folder of all pictures.",
    "--trainings": "Folder of the scores of further trainings.",
    "--features": "Folder of the reporting judges.",
    "--images": "The fetched data set.",
    "--validation": "The summary of the validation.",
    "--timings": "Folder of seconds and speed.",
    "--rate-distortion": "Folder of the rate-distortion curve, if there is one.",
    "--data-docs": "Folder of the Data Docs, if there are any.",
}
REPORT_OUT = {
    "--plots": "Folder of curves and pictures for `dvc plots`.",
    "--pages": "Folder for a page and a card per model.",
}
"""What dvc.yaml gives to the stage; `--runs` needs none of it."""


def _report_options(command: Callable[..., None]) -> Callable[..., None]:
    for kind, options in ((OUT, REPORT_OUT), (FOLDER, REPORT)):
        for name, description in reversed(options.items()):
            command = click.option(name, type=kind, help=description)(command)
    return command


@main.command()
@click.option(
    "--runs", help="Compare these runs of MLflow instead: ids, names or models, with commas."
)
@_report_options
@out_option("--out", "The page, HTML.")
def report(runs: str | None, out: Path, **paths: Path | None) -> None:
    """Write the page that compares all models, and one for each; with --runs, runs of MLflow."""
    from genlab.stages import report as stage

    if runs is not None:
        names = [name.strip() for name in runs.split(",") if name.strip()]
        if not names:
            raise InputError("--runs must name runs with commas", f"{runs!r}", "See: make ui")
        stage.compare(names, out)
        click.echo(f"the comparison: {out}")
        return
    for name, path in paths.items():
        if path is None:
            option = name.replace("_", "-")
            raise click.UsageError(f"Missing option '--{option}'; dvc repro report gives them all.")
    stage.run(load_params(paths["images"]), **cast(dict[str, Path], paths), out=out)


@main.command()
@click.option("--data", help="As if `data.name` were this.")
@click.option("--profile", help="As if `profile` were this.")
@click.option("--seeds", type=click.IntRange(min=1), help="As if `training.num_seeds` were this.")
@click.option("--write", "is_written", is_flag=True, help="Write them into params.yaml.")
def check(data: str | None, profile: str | None, seeds: int | None, is_written: bool) -> None:
    """Check all that can be known before a stage runs; mend what a killed DVC left half-written."""
    from genlab.workflows import checking, mending

    for line in mending.mend():
        click.echo(f"mended: {line}", err=True)
    mending.check_conflict()
    values = checking.check(Path("params.yaml"), data, profile)
    if is_written:
        _write(values.data.name, values.profile, seeds)
    mending.keep()
    seed, models = f"seed {values.seed}", ", ".join(values.models)
    click.echo(f"data set {values.data.name}, profile {values.profile}, {seed}, models {models}")


def _write(data: str, profile: str, num_seeds: int | None) -> None:
    """Writes these values into params.yaml, unless a running DVC reads it."""
    from genlab.runtime import yaml_editing
    from genlab.workflows import mending

    def change(values: Any) -> None:
        values["profile"], values["data"]["name"] = profile, data
        if num_seeds is not None:
            values["training"]["num_seeds"] = num_seeds

    if command := mending.running():
        raise InputError("no other dvc may run here", command, "Wait for its end")
    yaml_editing.edit(Path("params.yaml"), change)
