"""What a killed DVC left half-written; it is put right."""

from genlab.doctor.finding import Finding, error, ok, warning
from genlab.runtime.errors import InputError
from genlab.workflows import mending


def dvc() -> Finding:
    """Whether DVC's files are whole."""
    if command := mending.running():
        return ok("dvc", f"{command} works here")
    lines = mending.mend()
    try:
        mending.check_conflict()
    except InputError as problem:
        return error("dvc", f"{problem.expected}; received {problem.received}", problem.where)
    if lines:
        return warning("dvc", "; ".join(lines), "It is mended: go on.")
    return ok("dvc", "nothing is half-written")
