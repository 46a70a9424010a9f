"""What a check says."""

from typing import Literal, NamedTuple

OK: Literal["ok"] = "ok"
WARNING: Literal["warning"] = "warning"
ERROR: Literal["error"] = "error"


class Finding(NamedTuple):
    """One finding.

    Attributes:
        check: What was looked at.
        state: `ok`; `warning`: it works, but; `error`: a run would fail.
        says: What was found.
        remedy: What to do about it; nothing where all is well.
    """

    check: str
    state: Literal["ok", "warning", "error"]
    says: str
    remedy: str = ""
