"""The check of the environment."""

import json
import sys

import click

from genlab.cli.group import main

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}

TOPIC = "When something is wrong"


@main.command()
@click.option("--json", "is_json", is_flag=True, help="The findings as a JSON list.")
def doctor(is_json: bool) -> None:
    """Check Python, packages, devices, data, tracker, disk. Exit code 1: a run would fail."""
    from genlab import doctor as examination

    findings = []
    for finding in examination.examine():
        findings.append(finding)
        if not is_json:
            state = click.style(f"{finding.state:8}", fg=COLOURS[finding.state])
            click.echo(f"{state} {finding.check:11} {finding.says}")
            if finding.remedy:
                click.echo(f"{'':20} {finding.remedy}")
    if is_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    sys.exit(int(any(finding.state == "error" for finding in findings)))
