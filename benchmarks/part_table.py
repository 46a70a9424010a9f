"""The main table: every contestant on every model, round by round, float32 first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from benchmarks import machine, workloads
from benchmarks.runner import Measurement, Plan, Runner
from benchmarks.summary import Bar, Spread, fastest, paired_ratios, spread

NUM_IMAGES = 55_000


class Contestant(NamedTuple):
    """A row of the table."""

    name: str
    module: str
    variant: str = ""
    convolutions_only: bool = False


STAGE, BARE = "stage train", "bare loop"
CONTESTANTS = (
    Contestant(STAGE, "stage"),
    Contestant(BARE, "bare_loop"),
    Contestant("Keras fit", "keras_fit"),
    Contestant("PyTorch eager, default Adam", "torch_loop", "eager+default_adam"),
    Contestant("PyTorch eager", "torch_loop", "eager"),
    Contestant("PyTorch eager, channels last", "torch_loop", "eager+channels_last", True),
    Contestant("PyTorch compile", "torch_loop", "compile"),
    Contestant("PyTorch compile, channels last", "torch_loop", "compile+channels_last", True),
)
OURS = [contestant.name for contestant in CONTESTANTS if contestant.module == "stage"]
PYTORCH = [contestant.name for contestant in CONTESTANTS if contestant.module == "torch_loop"]
EAGER = [name for name in PYTORCH if "eager" in name]

LEAST_OF_BARE_LOOP = 0.95
LEAST_OF_EAGER = {"vae": 1.7, "convolutional_vae": 1.3, "gan": 1.3}
LEAST_OF_FASTEST = {"vae": 1.8, "convolutional_vae": 1.4, "gan": 1.4}
MOST_FIRST_STEP_SECONDS = 8.0

COLUMNS = ("median", "least", "greatest")


def contestants_of(model: str) -> list[Contestant]:
    """Returns the rows of one model."""
    entry = workloads.parameters(model).model(model)
    return [
        each
        for each in CONTESTANTS
        if not each.convolutions_only or entry["network"] == "convolutional"
    ]


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields all measurements; who begins changes from round to round."""
    for precision in plan.precisions:
        for number in range(plan.rounds):
            where = {"precision": precision, "round": number}
            yield {
                "contestant": "peak",
                **where,
                **runner.start("peak", f"--precision={precision}"),
            }
            for model in plan.models:
                for each in _rotated(contestants_of(model), number):
                    if each.module == "torch_loop" and not machine.has_torch():
                        continue
                    result = runner.run(
                        each.module, model, precision, NUM_IMAGES, variant=each.variant
                    )
                    yield {"contestant": each.name, "model": model, **where, **result}


def _rotated(items: Sequence[Contestant], by: int) -> list[Contestant]:
    by %= len(items)
    return [*items[by:], *items[:by]]


def speeds(
    measurements: Iterable[Measurement], contestant: str, model: str, precision: str
) -> dict[int, float]:
    """Returns images per second by round."""
    wanted = {"contestant": contestant, "model": model, "precision": precision}
    return {
        each["round"]: each["images_per_second"]
        for each in measurements
        if wanted.items() <= each.items() and "images_per_second" in each
    }


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns the rows of the table, the ratios and the bars."""
    rows = [
        _row(measurements, each.name, model, precision)
        for model in plan.models
        for each in contestants_of(model)
        for precision in plan.precisions
    ]
    ratios, bars = [], []
    for model in plan.models:
        for name, ratio, bar in _ratios(measurements, model, plan.precisions):
            ratios.append({"model": model, "name": name, "ratio": asdict(ratio) if ratio else None})
            if bar:
                bars.append(Bar(f"{model}: {name}", ratio.median if ratio else None, bar))
        first_steps = [
            row["first_step_seconds"]
            for row in rows
            if row["model"] == model and row["contestant"] in OURS
        ]
        worst = max(filter(None, first_steps), default=None)
        bars.append(
            Bar(
                f"{model}: seconds to the first step after imports",
                worst,
                MOST_FIRST_STEP_SECONDS,
                True,
            )
        )
    return {"rows": rows, "ratios": ratios, "bars": [bar.as_json() for bar in bars]}


def _row(
    measurements: list[Measurement], contestant: str, model: str, precision: str
) -> dict[str, Any]:
    found = speeds(measurements, contestant, model, precision)
    wanted = {"contestant": contestant, "model": model, "precision": precision}
    mine = [each for each in measurements if wanted.items() <= each.items()]
    first_steps = [each["first_step_seconds"] for each in mine if "first_step_seconds" in each]
    images_per_second = spread(list(found.values())) if found else None
    return wanted | {
        "images_per_second": asdict(images_per_second) if images_per_second else None,
        "share_of_peak": _share_of_peak(measurements, images_per_second, model, precision),
        "first_step_seconds": max(first_steps, default=None),
        "errors": sorted({each["error"] for each in mine if "error" in each}),
    }


def _share_of_peak(
    measurements: list[Measurement], speed: Spread | None, model: str, precision: str
) -> float | None:
    peaks = [
        each
        for each in measurements
        if each["contestant"] == "peak" and each["precision"] == precision
    ]
    peaks = [each for each in peaks if "error" not in each]
    if speed is None or not peaks:
        return None
    return (
        speed.median
        * peaks[0]["flop_per_image"][model]
        / max(each["peak_flop_per_second"] for each in peaks)
    )


def _ratios(
    measurements: list[Measurement], model: str, precisions: Sequence[str]
) -> Iterable[tuple[str, Spread | None, float | None]]:
    """Yields the name of each ratio, its spread over the rounds and the least that was asked for, if something was."""
    of = {
        (each.name, precision): speeds(measurements, each.name, model, precision)
        for each in CONTESTANTS
        for precision in precisions
    }
    for precision in precisions:
        stage = of[STAGE, precision]
        yield (
            f"stage / bare loop, {precision}",
            paired_ratios(stage, of[BARE, precision]),
            LEAST_OF_BARE_LOOP,
        )
        yield (
            f"stage / Keras fit, {precision}",
            paired_ratios(stage, of["Keras fit", precision]),
            None,
        )
        default = of["PyTorch eager, default Adam", precision]
        yield (
            f"stage / PyTorch eager with its default Adam, {precision}",
            paired_ratios(stage, default),
            None,
        )
        eager = fastest({name: of[name, precision] for name in EAGER})
        bar = LEAST_OF_EAGER.get(model) if precision == "float32" else None
        yield (
            f"stage / PyTorch eager, {precision}",
            paired_ratios(stage, of.get((eager, precision), {})),
            bar,
        )
        theirs = fastest({name: of[name, precision] for name in PYTORCH})
        yield (
            f"stage / fastest PyTorch, {precision}",
            paired_ratios(stage, of.get((theirs, precision), {})),
            None,
        )
    if len(precisions) > 1:
        ours = fastest({key: value for key, value in of.items() if key[0] in OURS})
        theirs = fastest({key: value for key, value in of.items() if key[0] in PYTORCH})
        ratio = paired_ratios(of.get(ours, {}), of.get(theirs, {}))
        yield "our fastest / fastest PyTorch, any precision", ratio, LEAST_OF_FASTEST.get(model)


def lines(summary: dict[str, Any]) -> Iterable[str]:
    """Yields the table as text."""
    header = (
        "images per second",
        "precision",
        "median",
        "least",
        "greatest",
        "of peak",
        "first step",
    )
    yield _line(*header)
    for model in dict.fromkeys(row["model"] for row in summary["rows"]):
        yield ""
        yield model
        for row in summary["rows"]:
            if row["model"] == model:
                yield _line(f"  {row['contestant']}", row["precision"], *_cells(row))
        for ratio in summary["ratios"]:
            if ratio["model"] == model:
                numbers = ratio["ratio"]
                cells = [f"{numbers[key]:.2f}" for key in COLUMNS] if numbers else ["not measured"]
                yield _line(f"  {ratio['name']}", "", *cells)


def _cells(row: dict[str, Any]) -> list[str]:
    speed = row["images_per_second"]
    if speed is None:
        return ["failed" if row["errors"] else "not measured"]
    numbers = [f"{speed[key]:,.0f}" for key in COLUMNS]
    share = "" if row["share_of_peak"] is None else f"{row['share_of_peak']:.0%}"
    return [*numbers, share, f"{row['first_step_seconds']:.1f} s"]


def _line(name: str, precision: str, *cells: str) -> str:
    return f"{name:<52}{precision:<16}" + "".join(f"{cell:>12}" for cell in cells)
