"""The group of all subcommands: errors in one line, signals, verbosity, help; shared options."""

import errno
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from genlab import __version__
from genlab.runtime import stopping, workspace
from genlab.runtime.errors import InputError

REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
EXIT_CODES = (
    "Exit codes: 0 done, 1 what you can fix (one line says how), 2 wrong usage, "
    "130 Ctrl-C, 143 SIGTERM."
)


class Written(click.Path):
    """A file or folder that the command writes: with `runtime.files.replacing`, or beside others.

    tests/cli/test_outputs.py tries every such option on a folder of the user's.
    """


FOLDER, OUT = click.Path(path_type=Path), Written(path_type=Path)
"""What a command reads, and what it writes."""


def path_option(name: str, description: str) -> Callable[[Any], Any]:
    """Returns a required option for a path: only dvc.yaml says where inputs and outputs are."""
    return click.option(name, type=FOLDER, required=True, help=description)


def out_option(name: str, description: str) -> Callable[[Any], Any]:
    """Returns a required option for a path that is written."""
    return click.option(name, type=OUT, required=True, help=description)


def folder_option(
    name: str, default: str, description: str, kind: click.Path = FOLDER
) -> Callable[[Any], Any]:
    """Returns an option for a folder with a default."""
    return click.option(name, type=kind, default=default, show_default=True, help=description)


models_option = folder_option("--models", "models", "Folder of all trained models.")
images_option = folder_option("--images", "data/images", "The fetched data set.")
features_option = folder_option("--features", "data/features", "The judges.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Same seed, same images.",
)


def _complete_model(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    from genlab.settings.overlays import read_yaml

    try:
        models = read_yaml(Path("params.yaml")).get("models", {})
    except InputError:
        return []
    return [name for name in models if name.startswith(begun)]


model_argument = click.argument("model", shell_complete=_complete_model)
"""An entry of `models` in params.yaml."""


class KeepsInputs(click.Command):
    """A subcommand that writes over nothing that it reads."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand, unless an output is one of the inputs or a file in one."""
        paths = [option for option in self.params if isinstance(option.type, click.Path)]
        given = [(option, ctx.params[str(option.name)]) for option in paths]
        given = [(option, path) for option, path in given if isinstance(path, Path)]
        for option, out in given:
            if isinstance(option.type, Written):
                inputs = {o.opts[-1]: path for o, path in given if not isinstance(o.type, Written)}
                _check_is_no_input(option.opts[-1], out, inputs)
        return super().invoke(ctx)


def _check_is_no_input(option: str, out: Path, inputs: Mapping[str, Path]) -> None:
    place = out.resolve()
    for name, path in inputs.items():
        source = path.resolve()
        if place == source or (place.is_file() and source in place.parents):
            expected = f"{option} must not be what {name} reads"
            raise InputError(expected, str(out), f"See {option}; nothing was written")


class OneLineErrors(click.Group):
    """Prints what a user can fix as one line and exits with 1; a defect keeps its traceback."""

    command_class = KeepsInputs

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, stopping.Stopped) as stop:
            click.echo("\nstopped; the same command goes on where it can", err=True)
            is_sigterm = isinstance(stop, stopping.Stopped)
            ctx.exit(stopping.SIGTERM_EXIT_CODE if is_sigterm else stopping.SIGINT_EXIT_CODE)
        except Exception as error:
            line = _fixable(error)
            if line is None:
                raise
            click.echo(f"error: {line}", err=True)
            ctx.exit(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the subcommands by topic: the `TOPIC` of each one's module, in their order."""
        topics: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            topic = getattr(sys.modules[command.callback.__module__], "TOPIC", "More")
            topics.setdefault(topic, []).append((name, command.get_short_help_str(limit=90)))
        for topic, rows in topics.items():
            with formatter.section(topic):
                formatter.write_dl(rows)


def _fixable(error: Exception) -> str | None:
    """Returns the line for an error that a user can fix; None for a defect."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, FloatingPointError):
        return " ".join(str(error).split())
    if full := _full_disk(error):
        expected = f"the disk must have room for {full.filename or 'what is written'}"
        where = "Make room; finished checkpoints are kept, the same command goes on"
        return str(InputError(expected, str(full.strerror), where))
    if isinstance(error, OSError) and error.errno in REFUSED and error.filename:
        expected = f"{error.filename} must be open to this user"
        return str(InputError(expected, str(error.strerror), "See the permissions of its folder"))
    if type(error).__name__ == "ResourceExhaustedError":
        lower = "Lower batch_size, widths, filters or latent_dim, or data.image_size"
        expected = "the model must fit in memory"
        return str(InputError(expected, "out of memory", f"{lower}. See params.yaml"))
    return None


def _full_disk(error: BaseException | None) -> OSError | None:
    """Returns the error of a full disk in the chain of `error`."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return error
        error = error.__cause__ or error.__context__
    return None


@click.group(
    cls=OneLineErrors,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=EXIT_CODES,
)
@click.version_option(__version__)
@click.option(
    "-q", "--quiet", is_flag=True, envvar="GENLAB_QUIET", help="Only results, warnings and errors."
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    envvar="GENLAB_VERBOSE",
    help="Also what TensorFlow and MLflow print.",
)
@click.pass_context
def main(context: click.Context, quiet: bool, verbose: bool) -> None:
    """Models of images: `make run` goes from images to a report, `dvc repro` makes what is stale.

    GENLAB_QUIET=1 and GENLAB_VERBOSE=1 do the same as the options, also under DVC. NO_COLOR is
    obeyed.
    """
    stopping.install()
    workspace.settle_home()
    context.color = False if os.environ.get("NO_COLOR") else None  # None: colours in a terminal
    os.environ.update(_verbosity(quiet, verbose, sys.stderr.isatty()))
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _verbosity(quiet: bool, verbose: bool, is_terminal: bool) -> dict[str, str]:
    """Returns the environment for this process and its children; libraries read it at import."""
    if quiet and verbose:
        raise InputError("--quiet must be given without --verbose", "both", "Leave one out")
    bars = {} if is_terminal and not quiet else {"TQDM_DISABLE": "1"}
    if quiet:
        levels = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_LOGGING_LEVEL": "ERROR"}
        return bars | {"GENLAB_QUIET": "1"} | levels
    if verbose:
        levels = {"TF_CPP_MIN_LOG_LEVEL": "0", "MLFLOW_LOGGING_LEVEL": "INFO"}
        return bars | {"GENLAB_VERBOSE": "1"} | levels
    return bars


def load_params(images: Path | None = None) -> Any:
    """Returns the merged `params.yaml` of the working directory; keeps a copy of it for a mend.

    With a fetched data set, what holds for the size of its images is merged, too.
    """
    from genlab.imaging.arrays import read_description
    from genlab.settings import params
    from genlab.workflows import mending

    shape = None
    if images and (images / "dataset.json").is_file():  # else the command itself says so
        shape = read_description(images)["image_shape"]
    values = params.load(image_shape=shape)
    mending.keep()
    return values
