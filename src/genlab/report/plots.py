"""What `dvc plots` shows: the curves of all models as one long table, and grids of growth."""

import csv
import shutil
from pathlib import Path

from genlab.report.curves import columns
from genlab.report.laboratory import Laboratory
from genlab.runtime.files import FolderKind, replacing

COLUMNS = ("model", "quantity", "split", "step", "value")
KIND = FolderKind("plots", ("curves.csv", "pictures/*/*.png"))


def write(laboratory: Laboratory, folder: Path) -> None:
    """Writes `curves.csv` and `pictures/<model>/<kind>_<step>.png`.

    The table has a row per value: DVC's plots then need no list of models, and no cell is empty.
    """
    with replacing(folder, KIND) as building:
        building.mkdir()
        _write_table(laboratory, building / "curves.csv")
        for model in laboratory.models:
            target = building / "pictures" / model.name
            for path in (path for grids in model.progress.values() for _, path in grids):
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / path.name)


def _write_table(laboratory: Laboratory, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for model in laboratory.models:
            for split, quantity, series in columns(model):
                pairs = zip(*(part.tolist() for part in series), strict=True)
                writer.writerows((model.name, quantity, split, *pair) for pair in pairs)
