"""The one error that a user can fix, and any error in one line."""


class InputError(ValueError):
    """Bad input: one line says what is expected, what was received and where to fix it.

    The command line prints the line and exits with 1. Any other error is a defect and keeps its
    traceback.

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
        return f"{self.expected}. Received: {self.received}. {self.where}."


def one_line(error: BaseException, limit: int = 300) -> str:
    """Returns the error's type and the first line of its message, cut to `limit` characters."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])[:limit]
