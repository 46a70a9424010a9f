"""The one error that a user can fix, and any error in one line."""

from genlab.runtime import addresses


class InputError(ValueError):
    """Bad input: one line says what is expected, what was received and where to fix it.

    The command line prints the line and exits with 1. Any other error is a defect and keeps its
    traceback. The line has no secret and no line break, whatever the names in it hold.

    Attributes:
        expected: What must hold: `kl_weight must be at least 0`.
        received: What was there instead: `kl_weight=-1.0`.
        where: Where or how to fix it: `See params.yaml: models.vae.kl_weight`, `Run: dvc repro`.
    """

    def __init__(self, expected: str, received: str, where: str):
        super().__init__(expected, received, where)
        self.expected = expected
        self.received = received
        self.where = where

    def __str__(self) -> str:
        fault = f"{printable(self.expected)}. Received: {printable(self.received)}"
        return addresses.scrubbed(f"{fault}. {self.where}.")


def one_line(error: BaseException, limit: int = 300) -> str:
    """Returns the error's type and the first line of its message, cut to `limit` characters."""
    lines = str(error).strip().splitlines()
    line = ": ".join([type(error).__name__, *map(printable, lines[:1])])
    return addresses.scrubbed(line)[:limit]


def printable(text: str) -> str:
    r"""Returns the text with line breaks, and bytes that are no UTF-8, as Python writes them: `\n`.

    A file's name may hold both.
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
