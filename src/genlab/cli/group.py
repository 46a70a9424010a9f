"""The group that all subcommands belong to: one line for what a user can mend, and signals."""

import errno
import signal
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


def load_params() -> Any:
    """Returns the merged `params.yaml` of the working directory."""
    from genlab import params

    return params.load()
