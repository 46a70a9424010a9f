"""What `dvc plots` shows: the curves of all models as one long table, and grids of growth."""

import csv
import shutil
from pathlib import Path

from genlab.report.curves import columns
from genlab.report.laboratory import Laboratory

COLUMNS = ("model", "quantity", "split", "step", "value")


def write(laboratory: Laboratory, folder: Path) -> None:
    """Writes `curves.csv` and `pictures/<model>/<kind>_<step>.png` into an emptied folder.

    The table has a row per value: DVC's plots then need no list of models, and no cell is empty.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for model in laboratory.models:
            for split, quantity, series in columns(model):
                pairs = zip(*(part.tolist() for part in series), strict=True)
                writer.writerows((model.name, quantity, split, *pair) for pair in pairs)
    for model in laboratory.models:
        target = folder / "pictures" / model.name
        for path in (path for grids in model.progress.values() for _, path in grids):
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / path.name)
