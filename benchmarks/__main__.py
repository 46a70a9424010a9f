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
    "--part",
    "parts",
    type=click.Choice(list(PARTS)),
    multiple=True,
    help="May be repeated; else all.",
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
def main(**options: Any) -> None:
    """Measure the speed and the memory of training. The machine should do nothing else meanwhile."""
    run(**options)


def run(
    parts: tuple[str, ...],
    models: tuple[str, ...],
    precisions: tuple[str, ...],
    rounds: int | None,
    seconds: float,
    out: Path,
) -> None:
    """Measures the parts, prints them and writes `out`, where parts that were not measured now stay as they were."""
    facts = machine.facts()
    precisions = precisions or (PRECISIONS if facts["bfloat16"] else PRECISIONS[:1])
    report = json.loads(out.read_text()) if out.is_file() else {}
    with tempfile.TemporaryDirectory(prefix="genlab-benchmark-") as work:
        runner = Runner(Path(work), seconds)
        for name in parts or PARTS:
            part, plan = (
                PARTS[name],
                Plan(models, tuple(sorted(precisions)), rounds or ROUNDS[name], seconds),
            )
            settings = {
                "models": models,
                "precisions": precisions,
                "rounds": plan.rounds,
                "seconds": seconds,
            }
            measurements = []
            for measurement in part.measure(
                runner, plan
            ):  # written each time: a run that breaks off keeps what it has
                measurements.append(measurement)
                summary = part.summarise(measurements, plan)
                report[name] = {
                    "machine": facts,
                    "settings": settings,
                    **summary,
                    "measurements": measurements,
                }
                with replacing(out) as building:
                    building.write_text(json.dumps(report, indent=1) + "\n")
            click.echo("\n".join(["", *part.lines(summary), "", *map(_describe, summary["bars"])]))
    click.echo(f"\n{facts['processor']}, {facts['cores']} cores; all numbers: {out}")


def _describe(bar: dict[str, Any]) -> str:
    if bar["value"] is None:
        return f"  not measured  {bar['name']}"
    sign = "at most" if bar["at_most"] else "at least"
    return f"  {'met' if bar['passed'] else 'MISSED':<14}{bar['name']}: {bar['value']:.3g} ({sign} {bar['bar']:g})"


if __name__ == "__main__":
    main()
