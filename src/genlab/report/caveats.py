"""What a reader must know where two numbers disagree."""

from collections.abc import Sequence

from genlab.report.laboratory import ReportedModel
from genlab.report.ranking import rank


def of_kernel_distance(models: Sequence[ReportedModel], source: str) -> str:
    """Returns why the kernel distance calls other models best than the Fréchet distance does.

    Empty where it does not, or where one of them ranks no models.
    """
    by_kernel, by_moments = (
        rank(models, f"test/{source}/{metric}").best
        for metric in ("kernel_distance", "frechet_distance")
    )
    if not by_kernel or not by_moments or set(by_kernel) & set(by_moments):
        return ""
    return (
        f"By the kernel distance {' and '.join(by_kernel)} would be best, by the Fréchet distance "
        f"{' and '.join(by_moments)}. The kernel is a cube: a few large features rule it, and what "
        "samples lack in the others does not show. Look at recall before believing it."
    )
