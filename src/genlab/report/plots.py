"""What `dvc plots` shows: the curves of all models as one long table, and their grids of growth as files."""

import csv
import shutil
from pathlib import Path

from genlab.report.collect import Laboratory, Model

COLUMNS = ("model", "quantity", "split", "step", "value")


def write(laboratory: Laboratory, folder: Path) -> None:
    """Writes `curves.csv` and `pictures/<model>/<kind>_<step>.png`; what was in the folder before goes.

    The table is long, a row per value: DVC's plots need no list of models then, and no cell is empty.
    """
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for model in laboratory.models:
            writer.writerows(_rows(model))
    for model in laboratory.models:
        for _, path in (grid for grids in model.progress.values() for grid in grids):
            target = folder / "pictures" / model.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _rows(model: Model) -> list[tuple[str, str, str, int, float]]:
    rows = []
    for column, (steps, values) in model.history.items():
        split, _, quantity = column.partition("/") if "/" in column else ("train", "", column)
        pairs = zip(steps.tolist(), values.tolist(), strict=True)
        rows += [(model.name, quantity, split, step, value) for step, value in pairs]
    return rows
