"""What to do with a trained model, and with what waits for MLflow."""

import sys
from pathlib import Path
from typing import Any

import click

from genlab.cli.group import (
    OUT,
    features_option,
    folder_option,
    images_option,
    load_params,
    main,
    model_argument,
    models_option,
    out_option,
    path_option,
    seed_option,
)
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow

TOPIC = "With a trained model"


def _split(context: click.Context, option: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


@main.command()
@model_argument
@click.option("--num-images", type=click.IntRange(min=1), default=64, show_default=True)
@seed_option
@click.option(
    "--source", type=click.Choice(["prior", "fitted"]), help="The model's first one if not given."
)
@click.option(
    "--labels",
    default="",
    callback=_split,
    help="For a conditional model: classes in turn, with commas, or balanced.",
)
@models_option
@out_option("--out", "An .npz (array `images`, uint8 NHWC), or a new folder for PNGs.")
def generate(model: str, models: Path, out: Path, **order: Any) -> None:
    """Generate images with a trained MODEL: `vae`, or models:/vae@champion."""
    import_tensorflow()
    from genlab import tracking
    from genlab.workflows import generation

    folder = tracking.trained_folder(model, models)
    generation.generate(folder, generation.SampleOrder(**order), out)
    click.echo(f"{order['num_images']} images: {out}")


@main.command()
@model_argument
@path_option(
    "--inputs", "A folder, a zip or a tar of pictures, of the shape that the model is given."
)
@seed_option
@models_option
@out_option("--out", "An .npz (`images` and `inputs`, uint8 NHWC), or a new folder for PNGs.")
def translate(model: str, inputs: Path, seed: int, models: Path, out: Path) -> None:
    """Translate images with a trained MODEL that is given inputs."""
    import_tensorflow()
    from genlab import tracking
    from genlab.workflows import generation

    generation.translate(tracking.trained_folder(model, models), inputs, seed, out)
    click.echo(f"the translated images: {out}")


@main.command()
@model_argument
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)
@models_option
@images_option
@out_option("--out", "An .npz: `images` and `reconstructions`, uint8 NHWC.")
def reconstruct(model: str, split: str, models: Path, images: Path, out: Path) -> None:
    """Reconstruct the images of a split with a trained MODEL: `vae`, or models:/vae@champion."""
    import_tensorflow()
    from genlab import tracking
    from genlab.workflows import generation

    generation.reconstruct(tracking.trained_folder(model, models), images, split, out)
    click.echo(f"the {split} images and their reconstructions: {out}")


def _numbers(context: click.Context, option: click.Parameter, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        expected = "--kl-weights must be numbers with commas"
        raise InputError(expected, f"{text!r}", "See --kl-weights") from None


@main.command("rate-distortion")
@model_argument
@click.option("--kl-weights", callback=_numbers, default="0.25,0.5,1,2,4", show_default=True)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Of each training; the model's own if not given."
)
@images_option
@features_option
@folder_option("--out", "reports/rate_distortion", "Table, protocol, models.", OUT)
def rate_distortion(
    model: str, kl_weights: list[float], steps: int | None, **folders: Path
) -> None:
    """Train MODEL once for each weight of the KL; the report draws distortion over rate."""
    import_tensorflow()
    from genlab.workflows import rate_distortion as study

    params = load_params(folders["images"])
    for point in study.run(params, model, kl_weights, steps, study.Folders(**folders)):
        click.echo("  ".join(f"{name} {value:.6g}" for name, value in point._asdict().items()))
    click.echo(f"table and protocol: {folders['out']}; make report draws the curve")


@main.command()
@click.option("--to", metavar="ADDRESS", help="In place of MLFLOW_TRACKING_URI.")
def sync(to: str | None) -> None:
    """Send to MLflow what it could not take before; exit with 1 if something still waits."""
    from genlab import tracking

    summary = tracking.sync(to)
    click.echo(summary)
    sys.exit(0 if summary.is_complete else 1)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on this machine only."""
    from genlab import tracking

    tracking.serve_ui(port)
