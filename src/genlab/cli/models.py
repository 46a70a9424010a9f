"""What one does with a trained model, and with what waits for MLflow."""

import sys
from pathlib import Path

import click

from genlab.cli.group import FOLDER, load_params, main, model_argument, path_option
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow

TOPIC = "With a trained model"


@main.command()
@model_argument
@click.option("--num-images", type=click.IntRange(min=1), default=64, show_default=True)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Same seed, same images.",
)
@click.option(
    "--source", type=click.Choice(["prior", "fitted"]), help="The model's first one if not given."
)
@click.option(
    "--labels",
    default="",
    help="Of a conditional model: classes with commas, which take turns, or balanced.",
)
@click.option(
    "--models",
    type=FOLDER,
    default="models",
    show_default=True,
    help="Folder of all trained models.",
)
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="An .npz (array `images`, uint8 NHWC), or a new folder for PNGs.",
)
def generate(
    model: str,
    num_images: int,
    seed: int,
    source: str | None,
    labels: str,
    models: Path,
    out: Path,
) -> None:
    """Generate images with a trained MODEL: `vae`, or models:/vae@champion."""
    import_tensorflow()
    from genlab import tracking
    from genlab.workflows import generation

    classes = tuple(filter(None, labels.split(",")))
    order = generation.Order(num_images, seed, source, classes)
    generation.generate(tracking.trained_folder(model, models), order, out)
    click.echo(f"{num_images} images: {out}")


@main.command()
@model_argument
@path_option("--inputs", "A folder of PNG or JPEG files, of the shape that the model is given.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--models",
    type=FOLDER,
    default="models",
    show_default=True,
    help="Folder of all trained models.",
)
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="An .npz (`images` and `inputs`, uint8 NHWC), or a new folder for PNGs.",
)
def translate(model: str, inputs: Path, seed: int, models: Path, out: Path) -> None:
    """Translate pictures with a trained MODEL that is given inputs."""
    import_tensorflow()
    from genlab import tracking
    from genlab.workflows import generation

    generation.translate(tracking.trained_folder(model, models), inputs, seed, out)
    click.echo(f"the translated pictures: {out}")


@main.command()
@model_argument
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)
@click.option(
    "--models",
    type=FOLDER,
    default="models",
    show_default=True,
    help="Folder of all trained models.",
)
@click.option(
    "--images", type=FOLDER, default="data/images", show_default=True, help="The fetched data set."
)
@click.option(
    "--out", type=FOLDER, required=True, help="An .npz: `images` and `reconstructions`, uint8 NHWC."
)
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
        raise InputError(
            "--kl-weights must be numbers with commas",
            f"{text!r}",
            "See --kl-weights",
        ) from None


@main.command("rate-distortion")
@model_argument
@click.option("--kl-weights", callback=_numbers, default="0.25,0.5,1,2,4", show_default=True)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Of each training; the model's own when not given."
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
    default="reports/rate_distortion",
    show_default=True,
    help="Table, figure, models.",
)
def rate_distortion(
    model: str, kl_weights: list[float], steps: int | None, images: Path, features: Path, out: Path
) -> None:
    """Train MODEL once for each weight of the KL, and draw distortion over rate."""
    import_tensorflow()
    from genlab.workflows import rate_distortion as study

    for point in study.run(load_params(), model, kl_weights, steps, images, features, out):
        click.echo("  ".join(f"{name} {value:.6g}" for name, value in point._asdict().items()))
    click.echo(f"table and figure: {out}")


@main.command()
def sync() -> None:
    """Send to MLflow what could not be sent while it was out of reach; exit with 1 if something still waits."""
    from genlab import tracking

    summary = tracking.sync()
    click.echo(summary)
    sys.exit(0 if summary.is_complete else 1)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on this machine alone."""
    from genlab import tracking

    tracking.serve_ui(port)
