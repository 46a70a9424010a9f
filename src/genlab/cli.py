"""The `genlab` command: one subcommand per stage of dvc.yaml, and what one does with a trained model afterwards.

Nothing heavy is imported before a subcommand runs.
"""

import errno
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import click

from genlab import __version__
from genlab.errors import InputError

SIGINT_EXIT_CODE, SIGTERM_EXIT_CODE = 130, 143
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FOLDER = click.Path(path_type=Path)


def path_option(name: str, description: str) -> Callable[[Any], Any]:
    """Returns a required option for a path: dvc.yaml alone says where inputs and outputs lie."""
    return click.option(name, type=FOLDER, required=True, help=description)


class Stopped(SystemExit):
    """SIGTERM was received."""


class OneLineErrors(click.Group):
    """Prints what a user can mend as one line and exits with 1; a defect keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand."""
        try:
            return super().invoke(ctx)
        except (InputError, FloatingPointError) as error:
            message = " ".join(str(error).split()) if isinstance(error, FloatingPointError) else str(error)
            click.echo(f"error: {message}", err=True)
            ctx.exit(1)
        except (KeyboardInterrupt, Stopped) as stop:
            click.echo("\nstopped; the same command goes on where it can", err=True)
            ctx.exit(SIGTERM_EXIT_CODE if isinstance(stop, Stopped) else SIGINT_EXIT_CODE)
        except Exception as error:
            if full := _full_disk(error):
                click.echo(
                    f"error: the disk must have room for {full.filename or 'what is written'}. "
                    f"Received: {full.strerror}. Make room; finished checkpoints are kept, the same command goes on.",
                    err=True,
                )
            elif type(error).__name__ == "ResourceExhaustedError":
                click.echo(
                    "error: the model must fit in memory. Received: out of memory. "
                    "Lower batch_size, widths, filters or latent_dim, or data.image_size. See params.yaml.",
                    err=True,
                )
            else:
                raise
            ctx.exit(1)


def _full_disk(error: BaseException | None) -> OSError | None:
    """Returns the error of a full disk that `error` is or comes from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return error
        error = error.__cause__ or error.__context__
    return None


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """A laboratory for image generative models. `dvc repro` runs all stages; dvc.yaml gives them their paths."""
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(SIGTERM_EXIT_CODE)


def _import_tensorflow() -> None:
    """Imports TensorFlow without its notes on this build, which no log level silences; keeps them if it fails."""
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module("tensorflow")
        except ImportError:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _params() -> Any:
    from genlab import params

    return params.load()


# The stages, in the order of dvc.yaml


@main.command()
@path_option("--out", "Folder of the arrays.")
def fetch(out: Path) -> None:
    """Fetch the data set `data.name`, checked, as arrays."""
    from genlab.stages import fetch as stage

    stage.run(_params(), out)


@main.command()
@path_option("--images", "The fetched data set.")
@path_option("--out", "The summary, JSON.")
@path_option("--data-docs", "Folder of the Data Docs, HTML.")
def validate(images: Path, out: Path, data_docs: Path) -> None:
    """Check that the images are valid; stop the pipeline when they are not."""
    from genlab.stages import validate as stage

    stage.run(_params(), images, out, data_docs)


@main.command()
@path_option("--images", "The fetched data set.")
@path_option("--out", "Folder of the feature extractor.")
def features(images: Path, out: Path) -> None:
    """Train the classifier whose features Fréchet distances are measured on."""
    _import_tensorflow()
    from genlab.stages import features as stage

    stage.run(_params(), images, out)


@main.command()
@click.argument("model")
@path_option("--images", "The fetched data set.")
@path_option("--features", "Folder of the feature extractor, for `monitor: frechet_distance`.")
@path_option("--out", "Folder of the trained model.")
@path_option("--timings", "Folder for seconds and speed, not hashed by DVC.")
@click.option("--no-wait", is_flag=True, help="Refuse where another process is at this very training.")
def train(model: str, images: Path, features: Path, out: Path, timings: Path, no_wait: bool) -> None:
    """Train MODEL, an entry of `models` in params.yaml."""
    _import_tensorflow()
    from genlab.stages import train as stage

    stage.run(_params(), model, images, features, out, timings, wait=not no_wait)


@main.command()
@path_option("--model", "Folder of the trained model.")
@path_option("--images", "The fetched data set.")
@path_option("--features", "Folder of the feature extractor.")
@path_option("--scores", "Folder for metrics.json and scores.json.")
@path_option("--pictures", "Folder for the pictures.")
def evaluate(model: Path, images: Path, features: Path, scores: Path, pictures: Path) -> None:
    """Score a trained model on the test images."""
    _import_tensorflow()
    from genlab.stages import evaluate as stage

    stage.run(_params(), model, images, features, scores, pictures)


@main.command()
@path_option("--models", "Folder of all trained models.")
@path_option("--scores", "Folder of all scores.")
@path_option("--evaluation", "Folder of all pictures.")
@path_option("--features", "Folder of the feature extractor.")
@path_option("--images", "The fetched data set.")
@path_option("--validation", "The summary of the validation.")
@path_option("--timings", "Folder of seconds and speed.")
@path_option("--plots", "Folder of curves and pictures for `dvc plots`.")
@path_option("--out", "The page, HTML.")
def report(**paths: Path) -> None:
    """Write the page that compares all models."""
    from genlab.stages import report as stage

    stage.run(_params(), **paths)


@main.command()
@click.option("--data", help="As if `data.name` were this.")
@click.option("--profile", help="As if `profile` were this.")
def check(data: str | None, profile: str | None) -> None:
    """Check names and sections of params.yaml; say what it runs on."""
    from genlab import params, plugins

    values = params.load(data_name=data, profile=profile)
    plugins.check("data", values.data.name, "params.yaml: data.name")
    for name, entry in values.models.items():
        plugins.check("models", str(entry.get("kind")), f"params.yaml: models.{name}.kind")
    click.echo(
        f"data set {values.data.name}, profile {values.profile}, seed {values.seed}, models {', '.join(values.models)}"
    )


# What one does with a trained model


@main.command()
@click.argument("model")
@click.option("--num-images", type=click.IntRange(min=1), default=64, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same images.")
@click.option("--source", type=click.Choice(["prior", "fitted"]), default="prior", show_default=True)
@click.option("--models", type=FOLDER, default="models", show_default=True, help="Folder of all trained models.")
@click.option(
    "--out", type=FOLDER, required=True, help="An .npz (array `images`, uint8 NHWC), or a new folder for PNGs."
)
def generate(model: str, num_images: int, seed: int, source: str, models: Path, out: Path) -> None:
    """Generate images with a trained MODEL."""
    _import_tensorflow()
    from genlab import generation

    generation.generate(models / model, num_images, seed, source, out)
    click.echo(f"{num_images} images: {out}")


@main.command()
@click.argument("model")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True)
@click.option("--models", type=FOLDER, default="models", show_default=True, help="Folder of all trained models.")
@click.option("--images", type=FOLDER, default="data/images", show_default=True, help="The fetched data set.")
@click.option("--out", type=FOLDER, required=True, help="An .npz: `images` and `reconstructions`, uint8 NHWC.")
def reconstruct(model: str, split: str, models: Path, images: Path, out: Path) -> None:
    """Reconstruct the images of a split with a trained MODEL."""
    _import_tensorflow()
    from genlab import generation

    generation.reconstruct(models / model, images, split, out)
    click.echo(f"the {split} images and their reconstructions: {out}")


def _numbers(context: click.Context, option: click.Parameter, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--kl-weights must be numbers with commas. Received: {text!r}. See --kl-weights.") from None


@main.command("rate-distortion")
@click.argument("model")
@click.option("--kl-weights", callback=_numbers, default="0.25,0.5,1,2,4", show_default=True)
@click.option("--steps", type=click.IntRange(min=1), help="Of each training; the model's own when not given.")
@click.option("--images", type=FOLDER, default="data/images", show_default=True, help="The fetched data set.")
@click.option("--features", type=FOLDER, default="data/features", show_default=True, help="The feature extractor.")
@click.option("--out", type=FOLDER, default="reports/rate_distortion", show_default=True, help="Table, figure, models.")
def rate_distortion(
    model: str, kl_weights: list[float], steps: int | None, images: Path, features: Path, out: Path
) -> None:
    """Train MODEL once for each weight of the KL, and draw distortion over rate."""
    _import_tensorflow()
    from genlab import rate_distortion as study

    for point in study.run(_params(), model, kl_weights, steps, images, features, out):
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
