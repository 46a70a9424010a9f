"""Speed and memory of the stage by number of images, lying on the device or streamed, and by batch size."""

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from benchmarks.runner import Measurement, Plan, Runner
from benchmarks.summary import Bar, paired_ratios
from benchmarks.workloads import BATCH_SIZE

MODEL = "vae"
NUM_IMAGES = (10_000, 100_000, 1_000_000)
BATCH_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
NUM_IMAGES_OF_BATCHES = 100_000
VARIANTS = {"resident": "resident_megabytes=4096", "streamed": "resident_megabytes=1"}
LEAST_SPEED = 0.9
MOST_MEMORY = 1.1
"""Of the largest number of images over the smallest, streamed: "flat"."""


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields measurements in float32, round by round."""
    cases = [(name, number, BATCH_SIZE) for number in NUM_IMAGES for name in VARIANTS]
    cases += [
        ("resident", NUM_IMAGES_OF_BATCHES, size) for size in BATCH_SIZES if size != BATCH_SIZE
    ]
    for number in range(plan.rounds):
        for name, num_images, size in cases:
            result = runner.run(
                "stage", MODEL, "float32", num_images, variant=VARIANTS[name], batch_size=size
            )
            case = {
                "contestant": name,
                "num_images": num_images,
                "batch_size": size,
                "round": number,
            }
            yield case | result


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns medians by case, and the bars."""
    del plan
    cases = dict.fromkeys(
        (each["contestant"], each["num_images"], each["batch_size"]) for each in measurements
    )
    rows = {case: row for case in cases if (row := _medians(measurements, *case))}
    bars = []
    for name in VARIANTS:
        fewest, *more = (_speeds(measurements, name, number) for number in NUM_IMAGES)
        ratios = [ratio.median for speeds in more if (ratio := paired_ratios(speeds, fewest))]
        value = min(ratios) if len(ratios) == len(more) else None
        bars.append(Bar(f"{name}: images per second, more / fewest images", value, LEAST_SPEED))
    few, many = (
        rows.get(("streamed", number, BATCH_SIZE)) for number in (NUM_IMAGES[0], NUM_IMAGES[-1])
    )
    value = (
        many["peak_anonymous_megabytes"] / few["peak_anonymous_megabytes"] if few and many else None
    )
    bars.append(Bar("streamed: memory, most / fewest images", value, MOST_MEMORY, at_most=True))
    return {"rows": list(rows.values()), "bars": [bar.as_json() for bar in bars]}


def _speeds(measurements: list[Measurement], name: str, num_images: int) -> dict[int, float]:
    case = {"contestant": name, "num_images": num_images, "batch_size": BATCH_SIZE}
    mine = [each for each in measurements if case.items() <= each.items() and "error" not in each]
    return {each["round"]: each["images_per_second"] for each in mine}


def _medians(
    measurements: list[Measurement], name: str, num_images: int, batch_size: int
) -> dict[str, Any] | None:
    case = {"contestant": name, "num_images": num_images, "batch_size": batch_size}
    mine = [each for each in measurements if case.items() <= each.items() and "error" not in each]
    columns = ("images_per_second", "peak_anonymous_megabytes", "peak_megabytes")
    return (
        case | {column: median(each[column] for each in mine) for column in columns}
        if mine
        else None
    )


def lines(summary: dict[str, Any]) -> Iterable[str]:
    """Yields the rows as text."""
    yield f"{'the dense VAE':<12}{'images':>12}{'batch':>8}{'images/s':>12}{'MB anonymous':>14}{'MB with files':>15}"
    for row in summary["rows"]:
        memory = f"{row['peak_anonymous_megabytes']:>14,.0f}{row['peak_megabytes']:>15,.0f}"
        numbers = (
            f"{row['num_images']:>12,}{row['batch_size']:>8}{row['images_per_second']:>12,.0f}"
        )
        yield f"  {row['contestant']:<11}{numbers}{memory}"
