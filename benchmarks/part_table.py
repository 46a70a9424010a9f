"""The main table: every contestant on every model, round by round, float32 first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import machine, summary, workloads
from benchmarks.runner import Case, Plan, Runner
from benchmarks.summary import (
    Bar,
    Measurement,
    by_round,
    fastest,
    median_of,
    paired_ratios,
    select,
    spread,
)

NUM_IMAGES = 55_000


class Contestant(NamedTuple):
    """A row of the table."""

    name: str
    module: str
    variant: str = ""
    convolutions_only: bool = False


class Ratio(NamedTuple):
    """A row of ratios: our speed over another's, round by round, and what is required."""

    name: str
    ours: Mapping[int, float]
    theirs: Mapping[int, float]
    bar: float | None = None


STAGE, BARE, KERAS = "stage train", "bare loop", "Keras fit"
DEFAULT = "PyTorch eager, default Adam"
CONTESTANTS = (
    Contestant(STAGE, "stage"),
    Contestant(BARE, "bare_loop"),
    Contestant(KERAS, "keras_fit"),
    Contestant(DEFAULT, "torch_loop", "eager+default_adam"),
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

Speeds = dict[tuple[str, str], dict[int, float]]
"""Images per second by round, of each contestant and precision."""


def contestants_of(model: str) -> list[Contestant]:
    """Returns the rows of one model."""
    is_dense = workloads.parameters(model).model(model)["network"] != "convolutional"
    return [row for row in CONTESTANTS if not (row.convolutions_only and is_dense)]


def measure(runner: Runner, plan: Plan) -> Iterator[Measurement]:
    """Yields all measurements; who begins changes from round to round."""
    for precision in plan.precisions:
        for number in range(plan.rounds):
            where = {"precision": precision, "round": number}
            peak = runner.start("peak", f"--precision={precision}")
            yield {"contestant": "peak", **where, **peak}
            for model in plan.models:
                for row in _rotated(contestants_of(model), number):
                    if row.module == "torch_loop" and not machine.has_torch():
                        continue
                    case = Case(row.module, model, precision, NUM_IMAGES)
                    result = runner.run(case, variant=row.variant)
                    yield {"contestant": row.name, "model": model, **where, **result}


def _rotated(items: Sequence[Contestant], by: int) -> list[Contestant]:
    by %= len(items)
    return [*items[by:], *items[:by]]


def summarise(measurements: list[Measurement], plan: Plan) -> dict[str, Any]:
    """Returns the rows of the table, the ratios and the bars."""
    rows, ratios, bars = [], [], []
    for model in plan.models:
        own = [
            _row(measurements, row.name, model, precision)
            for row in contestants_of(model)
            for precision in plan.precisions
        ]
        rows += own
        for ratio in _ratios(measurements, model, plan.precisions):
            values = paired_ratios(ratio.ours, ratio.theirs)
            row = {"model": model, "name": ratio.name, "ratio": summary.as_json(values)}
            ratios.append(row)
            if ratio.bar:
                bars.append(Bar(f"{model}: {ratio.name}", median_of(values), ratio.bar))
        first_steps = [row["first_step_seconds"] for row in own if row["contestant"] in OURS]
        worst = max(filter(None, first_steps), default=None)
        name = f"{model}: seconds to the first step after imports"
        bars.append(Bar(name, worst, MOST_FIRST_STEP_SECONDS, at_most=True))
    return summary.result(rows, bars, ratios=ratios)


def _row(
    measurements: list[Measurement], contestant: str, model: str, precision: str
) -> dict[str, Any]:
    wanted = {"contestant": contestant, "model": model, "precision": precision}
    own = [entry for entry in measurements if wanted.items() <= entry.items()]
    speed = spread(by_round(own, "images_per_second").values())
    peaks = select(measurements, contestant="peak", precision=precision)
    share = None
    if speed and peaks:
        flop_per_second = max(entry["peak_flop_per_second"] for entry in peaks)
        share = speed.median * peaks[0]["flop_per_image"][model] / flop_per_second
    return wanted | {
        "images_per_second": summary.as_json(speed),
        "share_of_peak": share,
        "first_step_seconds": max(by_round(own, "first_step_seconds").values(), default=None),
        "errors": sorted({entry["error"] for entry in own if "error" in entry}),
    }


def _speeds(measurements: list[Measurement], model: str, precisions: Sequence[str]) -> Speeds:
    return {
        (name, precision): by_round(
            select(measurements, contestant=name, model=model, precision=precision),
            "images_per_second",
        )
        for name in (row.name for row in CONTESTANTS)
        for precision in precisions
    }


def _ratios(
    measurements: list[Measurement], model: str, precisions: Sequence[str]
) -> Iterator[Ratio]:
    speeds = _speeds(measurements, model, precisions)
    for precision in precisions:
        ours = speeds[STAGE, precision]
        eager, quickest = (
            speeds.get((fastest({name: speeds[name, precision] for name in names}), precision), {})
            for names in (EAGER, PYTORCH)
        )
        bar = LEAST_OF_EAGER.get(model) if precision == "float32" else None
        for name, theirs, least in (
            ("bare loop", speeds[BARE, precision], LEAST_OF_BARE_LOOP),
            ("Keras fit", speeds[KERAS, precision], None),
            ("PyTorch eager with its default Adam", speeds[DEFAULT, precision], None),
            ("PyTorch eager", eager, bar),
            ("fastest PyTorch", quickest, None),
        ):
            yield Ratio(f"stage / {name}, {precision}", ours, theirs, least)
    if len(precisions) > 1:
        our, their = (
            fastest({key: rounds for key, rounds in speeds.items() if key[0] in names})
            for names in (OURS, PYTORCH)
        )
        name, bar = "our fastest / fastest PyTorch, any precision", LEAST_OF_FASTEST.get(model)
        yield Ratio(name, speeds.get(our, {}), speeds.get(their, {}), bar)


def lines(part: dict[str, Any]) -> Iterable[str]:
    """Yields the table as text."""
    titles = ("precision", *summary.COLUMNS, "of peak", "first step")
    yield _line("images per second", *titles)
    for model in dict.fromkeys(row["model"] for row in part["rows"]):
        yield ""
        yield model
        for row in part["rows"]:
            if row["model"] == model:
                yield _line(f"  {row['contestant']}", row["precision"], *_cells(row))
        for ratio in part["ratios"]:
            if ratio["model"] == model:
                yield _line(f"  {ratio['name']}", "", *_numbers(ratio["ratio"], ".2f"))


def _cells(row: dict[str, Any]) -> list[str]:
    speed = row["images_per_second"]
    if speed is None:
        return ["failed" if row["errors"] else "not measured"]
    share = "" if row["share_of_peak"] is None else f"{row['share_of_peak']:.0%}"
    return [*_numbers(speed, ",.0f"), share, f"{row['first_step_seconds']:.1f} s"]


def _numbers(values: dict[str, Any] | None, form: str) -> list[str]:
    return [format(values[key], form) for key in summary.COLUMNS] if values else ["not measured"]


def _line(name: str, precision: str, *cells: str) -> str:
    return f"{name:<52}{precision:<16}" + "".join(f"{cell:>12}" for cell in cells)
