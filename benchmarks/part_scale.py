"""Speed and memory of the stage by number of images, resident or streamed, and by batch size."""

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from benchmarks import summary
from benchmarks.runner import Case, Plan, Runner
from benchmarks.summary import Bar, Measurement, by_round, paired_ratios, select
from benchmarks.workloads import BATCH_SIZE

MODEL = "vae"
NUM_IMAGES = (10_000, 100_000, 1_000_000)
BATCH_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
NUM_IMAGES_OF_BATCHES = 100_000
VARIANTS = {"resident": "resident_megabytes=4096", "streamed": "resident_megabytes=1"}
MEMORY = "peak_anonymous_megabytes"
NUMBERS = ("images_per_second", MEMORY, "peak_megabytes")
LEAST_SPEED = 0.9
MOST_MEMORY = 1.1
"""Of the largest number of images over the smallest, streamed: "flat"."""


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields measurements in float32, round by round."""
    cases = [(name, number, BATCH_SIZE) for number in NUM_IMAGES for name in VARIANTS]
    sizes = [size for size in BATCH_SIZES if size != BATCH_SIZE]
    cases += [("resident", NUM_IMAGES_OF_BATCHES, size) for size in sizes]
    for number in range(plan.rounds):
        for name, num_images, size in cases:
            case = Case("stage", MODEL, "float32", num_images)
            result = runner.run(case, variant=VARIANTS[name], batch_size=size)
            yield _facts(name, num_images, size) | {"round": number} | result


def _facts(name: str, num_images: int, batch_size: int) -> dict[str, Any]:
    return {"contestant": name, "num_images": num_images, "batch_size": batch_size}


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns medians by case, and the bars."""
    del plan
    keys = ("contestant", "num_images", "batch_size")
    cases = dict.fromkeys(tuple(entry[key] for key in keys) for entry in select(measurements))
    rows = {case: _medians(measurements, _facts(*case)) for case in cases}
    bars = []
    for name in VARIANTS:
        fewest, *more = (
            by_round(select(measurements, **_facts(name, number, BATCH_SIZE)), NUMBERS[0])
            for number in NUM_IMAGES
        )
        ratios = [ratio.median for speeds in more if (ratio := paired_ratios(speeds, fewest))]
        value = min(ratios) if len(ratios) == len(more) else None
        bars.append(Bar(f"{name}: images per second, more / fewest images", value, LEAST_SPEED))
    few, *_, many = (rows.get(("streamed", number, BATCH_SIZE)) for number in NUM_IMAGES)
    growth = many[MEMORY] / few[MEMORY] if few and many else None
    bars.append(Bar("streamed: memory, most / fewest images", growth, MOST_MEMORY, at_most=True))
    return summary.result(rows.values(), bars)


def _medians(measurements: list[Measurement], case: dict[str, Any]) -> dict[str, Any]:
    own = select(measurements, **case)
    return case | {name: median(entry[name] for entry in own) for name in NUMBERS}


def lines(part: dict[str, Any]) -> Iterable[str]:
    """Yields the rows as text."""
    titles = f"{'images':>12}{'batch':>8}{'images/s':>12}{'MB anonymous':>14}{'MB with files':>15}"
    yield f"{'the dense VAE':<13}{titles}"
    for row in part["rows"]:
        speed, anonymous, whole = (row[name] for name in NUMBERS)
        numbers = f"{row['num_images']:>12,}{row['batch_size']:>8}{speed:>12,.0f}"
        yield f"  {row['contestant']:<11}{numbers}{anonymous:>14,.0f}{whole:>15,.0f}"
