"""Writes docs/parameters.md, from params.yaml and the code that checks it, and docs/pipeline.md."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from genlab.settings import plugins
from genlab.settings.params import Params

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "parameters.md"
PIPELINE = ROOT / "docs" / "pipeline.md"
OVERLAYS = ("datasets", "profiles")
HEAD = """# Every parameter

`make docs` writes this page from `params.yaml` (values, comments) and from the code that checks it
(ranges); do not edit it. The values are those of the file's own sections; `datasets.<data.name>`
and then `profiles.<profile>` override them.
`dvc exp run -S <parameter>=<value>` changes one for one experiment.
"""


class Row(NamedTuple):
    """One parameter."""

    name: str
    value: Any
    allowed: str
    comment: str


def page() -> str:
    """Returns the page."""
    values = YAML().load(ROOT / "params.yaml")
    schema = Params.model_json_schema()
    loose = [
        Row(key, values[key], *_about(schema["properties"][key], values, key))
        for key in ("seed", "profile")
    ]
    parts = [HEAD, _table(loose)]
    for section, content in values.items():
        if isinstance(content, CommentedMap) and section not in (*OVERLAYS, "models", "tune"):
            rows = _rows(
                content, _resolve(schema["properties"][section], schema), schema, f"{section}."
            )
            comment = _comment(values, section)
            parts += [
                f"## {section}\n",
                comment and f"{comment[0].upper()}{comment[1:]}.\n",
                _table(rows),
            ]
    parts += [
        "## evaluation.metrics\n",
        "One file each in `src/genlab/metrics`; see [metrics.md](metrics.md).\n",
    ]
    parts.append(_table(_metrics(values["evaluation"]["metrics"])))
    for name, entry in values["models"].items():
        chapter = plugins.find("models", entry["kind"], "params.yaml").Settings.model_json_schema()
        rows = (
            _explained(row, values["models"])
            for row in _rows(entry, chapter, chapter, f"models.{name}.")
        )
        parts += [f"## models.{name}\n", _table(rows)]
    tuned = schema["$defs"]["Tune"]
    for name, entry in values["tune"].items():
        parts += [f"## tune.{name}\n", _table(_rows(entry, tuned, schema, f"tune.{name}."))]
    return "\n".join(part for part in parts if part)


def _rows(
    values: CommentedMap, schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str
) -> Iterator[Row]:
    for key, value in values.items():
        if prefix + key == "evaluation.metrics":
            continue
        field = _resolve(schema["properties"][key], root)
        if isinstance(value, CommentedMap) and "properties" in field:
            yield from _rows(value, field, root, f"{prefix}{key}.")
        else:
            yield Row(prefix + key, value, *_about(field, values, key))


def _explained(row: Row, models: CommentedMap) -> Row:
    """Returns a model's row; what its entry does not say comes from another model's entry."""
    key = row.name.rpartition(".")[2]
    said = (_comment(entry, key) for entry in models.values() if key in entry)
    return row._replace(comment=row.comment or next(filter(None, said), ""))


def _metrics(entries: CommentedMap) -> Iterator[Row]:
    for name, entry in entries.items():
        settings = getattr(plugins.find("metrics", name, "params.yaml"), "Settings", None)
        if settings is None:
            yield Row(f"evaluation.metrics.{name}", {}, "no settings", "")
        else:
            schema = settings.model_json_schema()
            comment = _comment(entries, name)
            for row in _rows(entry, schema, schema, f"evaluation.metrics.{name}."):
                yield row._replace(comment=row.comment or comment)


def _resolve(field: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    return root["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field


def _about(field: Mapping[str, Any], values: CommentedMap, key: str) -> tuple[str, str]:
    return _allowed(field), _comment(values, key)


def _comment(values: CommentedMap, key: str) -> str:
    tokens = values.ca.items.get(key, [None] * 3)
    lines = (tokens[2].value if tokens[2] else "").strip().splitlines()
    return lines[0].lstrip("# ").strip() if lines else ""


SIGNS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def _allowed(field: Mapping[str, Any]) -> str:
    """Returns in words what JSON schema says of a value."""
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_allowed(part) for part in field["anyOf"])
    limits = [f"{sign} {field[name]:g}" for name, sign in SIGNS.items() if name in field]
    kind = {"null": "null", "array": "list", "object": "map", "integer": "whole number"}.get(
        field.get("type", ""), ""
    )
    return " ".join([kind or field.get("type", "any"), " and ".join(limits)]).strip()


def _table(rows: Any) -> str:
    lines = ["| parameter | value | allowed | |", "| --- | --- | --- | --- |"]
    for row in rows:
        value = row.value if isinstance(row.value, str) else json.dumps(row.value).replace('"', "")
        cells = (f"`{row.name}`", f"`{value}`", row.allowed, row.comment)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


PIPELINE_HEAD = """# The pipeline

`make docs` writes this page from `dvc dag`; do not edit it. An arrow leads from a stage to a stage
that needs its outputs; arrows that follow from others are left out. `dvc.yaml` lists the files that
each stage reads and writes.
"""
PIPELINE_TAIL = """`train` and `evaluate` are one stage per model: `train@vae`. `report` compares
all models.

```bash
dvc dag                             # the same with every model and every arrow
dvc status                          # which stages are stale, and why
dvc repro evaluate@vae              # one stage and what it needs
```
"""


def pipeline_page() -> str:
    """Returns the page of the pipeline: stages, and the fewest arrows that say what needs what."""
    dvc = [sys.executable, "-m", "dvc", "dag", "--mermaid"]
    said = subprocess.run(dvc, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {
        node: name.partition("@")[0] for node, name in re.findall(r'(node\d+)\["(.+?)"\]', said)
    }
    graph = nx.DiGraph()
    for first, second in re.findall(r"(node\d+)-->(node\d+)", said):
        graph.add_edge(names[first], names[second])
    order = {name: place for place, name in enumerate(YAML().load(ROOT / "dvc.yaml")["stages"])}
    edges = sorted(
        nx.transitive_reduction(graph).edges, key=lambda edge: [order[name] for name in edge]
    )
    per_model = {name for node, name in names.items() if f'{node}["{name}@' in said}
    boxes = [f'    {name}["{name}{" per model" if name in per_model else ""}"]' for name in order]
    arrows = [f"    {first} --> {second}" for first, second in edges]
    picture = "\n".join(["```mermaid", "flowchart LR", *boxes, *arrows, "```"])
    return "\n".join([PIPELINE_HEAD, picture, "", PIPELINE_TAIL])


if __name__ == "__main__":
    for path, text in ((PAGE, page()), (PIPELINE, pipeline_page())):
        path.write_text(text)
        print(path.relative_to(ROOT))
