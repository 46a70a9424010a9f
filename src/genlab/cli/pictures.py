"""Scores of pictures from any project, and the features that they are measured on."""

from pathlib import Path

import click

from genlab.cli.group import FOLDER, main, path_option
from genlab.runtime.native_output import import_tensorflow

TOPIC = "Pictures of any project"


@main.command()
@path_option(
    "--real",
    "Pictures that the generator was not trained on: a folder of PNG or JPEG files, .npz or .npy.",
)
@path_option("--generated", "The generator's pictures, of the same shape.")
@click.option(
    "--train", type=FOLDER, help="Pictures that it was trained on: has it memorised them?"
)
@click.option(
    "--features",
    required=True,
    help="mnist-v1, digits-v1, inception, or trained (on --train, no labels).",
)
@click.option(
    "--inception-graph", help="classify_image_graph_def.pb or its .tgz: a file or an address."
)
@click.option("--inception-sha256", help="Of that file; an address needs it.")
@click.option(
    "--params",
    type=FOLDER,
    help="Whose evaluation.metrics count; else those of this version of genlab.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--allow-few",
    is_flag=True,
    help="Score no more pictures than the features have dimensions, too.",
)
@click.option("--no-cache", is_flag=True, help="Keep no features in the user's cache folder.")
@click.option("--out", type=FOLDER, help="The scores with their protocol, JSON.")
def score(
    real: Path,
    generated: Path,
    train: Path | None,
    features: str,
    inception_graph: str | None,
    inception_sha256: str | None,
    params: Path | None,
    seed: int,
    allow_few: bool,
    no_cache: bool,
    out: Path | None,
) -> None:
    """Score generated pictures of any project against real ones."""
    import_tensorflow()
    from genlab import scoring
    from genlab.runtime import workspace
    from genlab.scoring import table

    if out:
        scoring.check_out(out)
    cache = None if no_cache else workspace.user_cache()
    graph = (inception_graph, inception_sha256)
    scores = scoring.score(
        scoring.Request(
            real,
            generated,
            train,
            features,
            *graph,
            params or scoring.PARAMS,
            seed,
            allow_few,
            cache,
        )
    )
    if out:
        scoring.write(scores, out)
    click.echo("\n".join(table.lines(scores)))


@main.command()
@path_option("--images", "The fetched data set.")
@path_option("--out", "The new extractor's folder; its name is the extractor's: mnist-v2.")
def pin(images: Path, out: Path) -> None:
    """Train a feature extractor by the recipe of params.yaml, ready to be shipped in src/genlab/pinned."""
    import_tensorflow()
    from genlab.features import pinned
    from genlab.imaging.arrays import read_description
    from genlab.networks import devices
    from genlab.settings import params, seeds

    devices.configure("float32", deterministic=True)
    values = params.load(data_name=read_description(images)["name"], profile="default")
    pinned.pin(values.features, seeds.derive(values.seed, "features"), images, out)
    click.echo(f"{out.name}: {out}")
