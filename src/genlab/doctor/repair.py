"""What a killed DVC left half-written; it is put right."""

from genlab.doctor.finding import Finding, ok, warning
from genlab.workflows import mending


def dvc() -> Finding:
    """Whether DVC's files are whole."""
    if command := mending.running():
        return ok("dvc", f"{command} works here")
    if lines := mending.mend():
        return warning("dvc", "; ".join(lines), "It is mended: go on.")
    return ok("dvc", "nothing is half-written")
