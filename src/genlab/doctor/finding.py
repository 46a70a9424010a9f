"""The result of a check."""

from typing import Literal, NamedTuple

State = Literal["ok", "warning", "error"]


class Finding(NamedTuple):
    """One finding.

    Attributes:
        check: The name of the check.
        state: `ok`; `warning`: it works, but; `error`: a run would fail.
        says: What the check saw.
        remedy: What to do about it; empty if all is well.
    """

    check: str
    state: State
    says: str
    remedy: str = ""


def ok(check: str, says: str) -> Finding:
    """Returns a finding that needs nothing."""
    return Finding(check, "ok", says)


def warning(check: str, says: str, remedy: str) -> Finding:
    """Returns a finding on something that works, but."""
    return Finding(check, "warning", says, remedy)


def error(check: str, says: str, remedy: str) -> Finding:
    """Returns a finding that would make a run fail."""
    return Finding(check, "error", says, remedy)
