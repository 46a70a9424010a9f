"""`make bench`: measures, prints tables and writes `reports/bench.json`."""

import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from benchmarks import (
    machine,
    part_metrics,
    part_overhead,
    part_scale,
    part_search,
    part_serving,
    part_table,
    workloads,
)
from benchmarks.contestant import PRECISIONS
from benchmarks.runner import Plan, Runner
from genlab.runtime.files import replacing

PARTS: dict[str, ModuleType] = {
    "table": part_table,
    "overhead": part_overhead,
    "scale": part_scale,
    "metrics": part_metrics,
    "search": part_search,
    "serving": part_serving,
}
ROUNDS = {"table": 5, "overhead": 3, "scale": 3, "metrics": 3, "search": 2, "serving": 3}
MODELS = ("vae", "convolutional_vae", "gan")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--part", "parts", type=click.Choice(list(PARTS)), multiple=True, help="Repeatable; else all."
)
@click.option(
    "--model", "models", type=click.Choice(list(workloads.ENTRIES)), multiple=True, default=MODELS
)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(PRECISIONS),
    multiple=True,
    help="Else those in hardware.",
)
@click.option("--rounds", type=click.IntRange(min=1), help=f"Else {ROUNDS}.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=5.0,
    help="Of steady speed per measurement.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/bench.json"))
def main(parts: tuple[str, ...], out: Path, **plan: Any) -> None:
    """Measure the speed and the memory of training, on a machine that does nothing else."""
    facts = machine.facts()
    precisions = plan["precisions"] or (PRECISIONS if facts["bfloat16"] else PRECISIONS[:1])
    plan |= {"precisions": tuple(sorted(precisions))}
    with tempfile.TemporaryDirectory(prefix="genlab-benchmark-") as work:
        runner = Runner(Path(work), plan["seconds"])
        for name in parts or PARTS:
            rounds = plan["rounds"] or ROUNDS[name]
            summary = measure(runner, name, Plan(**plan | {"rounds": rounds}), out, facts)
            lines = ["", *PARTS[name].lines(summary), "", *map(_describe, summary["bars"])]
            click.echo("\n".join(lines))
    click.echo(f"\n{facts['processor']}, {facts['cores']} cores; all numbers: {out}")


def measure(
    runner: Runner, name: str, plan: Plan, out: Path, facts: dict[str, Any]
) -> dict[str, Any]:
    """Measures one part and returns its summary.

    After each measurement it is written to `out`, where the other parts stay as they were: a run
    that breaks off keeps what it has.
    """
    part, report = PARTS[name], json.loads(out.read_text()) if out.is_file() else {}
    settings = vars(plan)
    measurements, summary = [], {}
    for measurement in part.measure(runner, plan):
        measurements.append(measurement)
        summary = part.summarise(measurements, plan)
        own = {"machine": facts, "settings": settings, **summary, "measurements": measurements}
        with replacing(out) as building:
            building.write_text(json.dumps(report | {name: own}, indent=1) + "\n")
    return summary


def _describe(bar: dict[str, Any]) -> str:
    if bar["value"] is None:
        return f"  not measured  {bar['name']}"
    sign = f"{'at most' if bar['at_most'] else 'at least'} {bar['bar']:g}"
    verdict = "met" if bar["passed"] else "MISSED"
    return f"  {verdict:<14}{bar['name']}: {bar['value']:.3g} ({sign})"


if __name__ == "__main__":
    main()
