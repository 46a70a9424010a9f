"""The group that all subcommands belong to: one line for what a user can mend, signals, what is said, help."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from genlab import __version__
from genlab.runtime import stopping
from genlab.runtime.errors import InputError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FOLDER = click.Path(path_type=Path)
EXIT_CODES = "Exit codes: 0 done, 1 what you can mend (one line says how), 2 wrong usage, 130 Ctrl-C, 143 SIGTERM."


def path_option(name: str, description: str) -> Callable[[Any], Any]:
    """Returns a required option for a path: dvc.yaml alone says where inputs and outputs lie."""
    return click.option(name, type=FOLDER, required=True, help=description)


def _complete_model(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    from genlab.settings.overlays import read_yaml

    try:
        return [
            name
            for name in read_yaml(Path("params.yaml")).get("models", {})
            if name.startswith(begun)
        ]
    except InputError:
        return []


model_argument = click.argument("model", shell_complete=_complete_model)
"""An entry of `models` in params.yaml."""


class OneLineErrors(click.Group):
    """Prints what a user can mend as one line and exits with 1; a defect keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand."""
        try:
            return super().invoke(ctx)
        except (InputError, FloatingPointError) as error:
            message = (
                " ".join(str(error).split())
                if isinstance(error, FloatingPointError)
                else str(error)
            )
            click.echo(f"error: {message}", err=True)
            ctx.exit(1)
        except (KeyboardInterrupt, stopping.Stopped) as stop:
            click.echo("\nstopped; the same command goes on where it can", err=True)
            ctx.exit(
                stopping.SIGTERM_EXIT_CODE
                if isinstance(stop, stopping.Stopped)
                else stopping.SIGINT_EXIT_CODE
            )
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the subcommands by topic: what the module of each calls `TOPIC`, in the order of their definition."""
        topics: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            topic = (
                getattr(sys.modules[command.callback.__module__], "TOPIC", "More")
                if command.callback
                else "More"
            )
            topics.setdefault(topic, []).append((name, command.get_short_help_str(limit=90)))
        for topic, rows in topics.items():
            with formatter.section(topic):
                formatter.write_dl(rows)


def _full_disk(error: BaseException | None) -> OSError | None:
    """Returns the error of a full disk that `error` is or comes from."""
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
    help="What TensorFlow and MLflow say, too.",
)
@click.pass_context
def main(context: click.Context, quiet: bool, verbose: bool) -> None:
    """Models of images: `make run` goes from images to a report, `dvc repro` makes what is stale.

    GENLAB_QUIET=1 and GENLAB_VERBOSE=1 do the same as the options, also under DVC. NO_COLOR is obeyed.
    """
    stopping.install()
    context.color = (
        False if os.environ.get("NO_COLOR") else None
    )  # None: colours in a terminal alone
    os.environ.update(_voices(quiet, verbose, sys.stderr.isatty()))
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _voices(quiet: bool, verbose: bool, is_terminal: bool) -> dict[str, str]:
    """Returns what the environment of this process and its children says of messages; libraries read it on import."""
    if quiet and verbose:
        raise InputError(
            "--quiet must be given without --verbose",
            "both",
            "Leave one out",
        )
    voices = {} if is_terminal and not quiet else {"TQDM_DISABLE": "1"}
    if quiet:
        return voices | {
            "GENLAB_QUIET": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "MLFLOW_LOGGING_LEVEL": "ERROR",
        }
    if verbose:
        return voices | {
            "GENLAB_VERBOSE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "0",
            "MLFLOW_LOGGING_LEVEL": "INFO",
        }
    return voices


def load_params() -> Any:
    """Returns the merged `params.yaml` of the working directory."""
    from genlab.settings import params

    return params.load()
