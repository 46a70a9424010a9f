"""Scores of images from any project, and the features that they are measured on."""

import math
from pathlib import Path
from typing import Any

import click

from genlab.cli.group import FOLDER, OUT, main, out_option, path_option
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow

TOPIC = "Images of any project"


def _range(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = 0.0
    if not -math.inf < low < high < math.inf:
        expected = "--range must be two numbers with a comma, black and white"
        raise InputError(expected, repr(text), "See --range")
    return low, high


@main.command()
@path_option("--real", "Images it was not trained on: a folder, zip, tar, .npz or .npy.")
@path_option("--generated", "The generator's images, of the same shape.")
@click.option("--train", type=FOLDER, help="Images that it was trained on: has it memorised them?")
@click.option(
    "--features",
    required=True,
    help="Pinned judges (mnist-v2, or mnist-v1 alone), inception, or trained (on --train).",
)
@click.option(
    "--inception-graph",
    "graph",
    help="classify_image_graph_def.pb or its .tgz: a file or an address.",
)
@click.option("--inception-sha256", "sha256", help="Of that file; an address needs it.")
@click.option(
    "--params",
    type=FOLDER,
    help="The file with evaluation.metrics; by default this version's own.",
)
@click.option(
    "--key", help="The array in an .npz, where it is neither `images` nor alone: samples."
)
@click.option(
    "--layout",
    type=click.Choice(["nhwc", "nchw"]),
    default="nhwc",
    show_default=True,
    help="The axes of arrays; nchw is read where the second axis has 1 or 3 values.",
)
@click.option(
    "--range",
    "value_range",
    callback=_range,
    help="Black and white of arrays that are not uint8: 0,255 or -1,1. Floats have 0,1 without it.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--allow-few",
    is_flag=True,
    help="Score even if the images are not more than the features' dimensions.",
)
@click.option("--no-cache", is_flag=True, help="Keep no features in the user's cache folder.")
@click.option("--out", type=OUT, help="The scores with their protocol, JSON.")
def score(params: Path | None, no_cache: bool, out: Path | None, **asked: Any) -> None:
    """Score generated images of any project against real ones."""
    import_tensorflow()
    from genlab import scoring
    from genlab.imaging.array_files import Form
    from genlab.runtime import workspace
    from genlab.scoring import table

    if out:
        scoring.check_out(out)
    cache = None if no_cache else workspace.user_cache()
    form = Form(*(asked.pop(name) for name in Form._fields))
    request = scoring.Request(params=params or scoring.PARAMS, cache=cache, form=form, **asked)
    scores = scoring.score(request)
    if out:
        scoring.write(scores, out)
    click.echo("\n".join(table.lines(scores)))


@main.command()
@path_option("--images", "The fetched data set.")
@out_option("--out", "The new panel's folder; its name is the panel's: mnist-v2.")
def pin(images: Path, out: Path) -> None:
    """Train a panel of judges with the settings of params.yaml, to be shipped with genlab."""
    import_tensorflow()
    from genlab.features import pinned
    from genlab.imaging.arrays import read_description
    from genlab.networks import devices
    from genlab.runtime import files
    from genlab.settings import params, seeds

    files.check_free(out)
    devices.configure("float32", deterministic=True)
    values = params.load(data_name=read_description(images)["name"], profile="default")
    pinned.pin(values.features, seeds.derive(values.seed, "features"), images, out)
    click.echo(f"{out.name}: {out}")
