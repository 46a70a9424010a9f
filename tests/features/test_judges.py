"""Panels of judges: scaled alike, apart by role; what is published is never used for a choice."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import ROOT, random_images
from ruamel.yaml import YAML

from genlab.features import judges
from genlab.features.extractor import Extracted
from genlab.numerics.gaussians import frechet_distance_of_features
from genlab.runtime.errors import InputError


class Means:
    """Three means of the pixels, times a factor; not scaled if it says so."""

    num_classes = 0

    def __init__(self, factor: float = 1.0, is_scaled: bool = True):
        self.factor, self.is_scaled = factor, is_scaled
        self.settings: dict[str, Any] = {"weights_sha256": "0" * 64}

    def extract(self, images: np.ndarray) -> Extracted:
        columns = np.split(images.astype(np.float32), [2, 5], axis=2)
        means = np.stack([column.mean(axis=(1, 2, 3)) for column in columns], axis=1)
        return Extracted(self.factor * means, np.zeros(len(images), np.int64))


def test_distances_do_not_depend_on_the_size_of_a_judges_features() -> None:
    """Each is that of the raw features over their mean variance on the real images."""
    real, others = random_images(50, seed=1), random_images(50, seed=2) // 2
    distances = []
    for factor in (1.0, 250.0):
        judge = judges.beside("means", Means(factor), real)
        assert judge.real.features.var(axis=0).mean() == pytest.approx(1, rel=1e-5)
        scaled = judge.extract(others).features
        distances.append(frechet_distance_of_features(judge.real.features, scaled))
    raw = [Means().extract(images).features for images in (real, others)]
    expected = frechet_distance_of_features(*raw) / raw[0].var(axis=0).mean()
    assert distances == pytest.approx([expected, expected], rel=1e-4)


@pytest.mark.parametrize("real", [random_images(9), np.full((9, 8, 8, 1), 7, np.uint8)])
def test_published_networks_and_features_without_variance_stay(real: np.ndarray) -> None:
    network = Means(is_scaled=len(np.unique(real)) == 1)
    judge = judges.beside("means", network, real)
    np.testing.assert_array_equal(judge.real.features, network.extract(real).features)


def test_folder_without_judges_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        judges.load(tmp_path / "reporting")
    assert error.value.expected.startswith(f"{tmp_path}/reporting must hold judges")
    assert error.value.where == "Run: dvc repro features"


# Nothing that is published chooses anything

CHOOSING, PUBLISHING = {"train"}, {"floor", "evaluate", "report"}


def test_stages_see_the_judges_of_their_role() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    for name, entry in stages.items():
        stage = entry.get("do", entry)
        parts = [*stage["deps"], *stage["cmd"].split()]
        seen = {part for part in parts if part.startswith("data/features/")}
        wanted = {f"data/features/{role}" for role in judges.ROLES if name in reach(role)}
        assert seen == wanted, name


def reach(role: str) -> set[str]:
    return PUBLISHING if role == judges.REPORTING else CHOOSING


def test_split_decides_which_judges_a_search_asks() -> None:
    assert judges.role_for("validation") == judges.SELECTION
    assert judges.role_for("test") == judges.REPORTING


def test_only_these_rooms_name_reporting_judges() -> None:
    """Trainings, searches and rate-distortion curves cannot ask them by another road."""
    source = ROOT / "src" / "genlab"
    naming = {
        path.relative_to(source).parts[0]
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr == "REPORTING")
        or (isinstance(node, ast.Constant) and node.value == "reporting")
    }
    assert naming == {"features", "scoring", "stages"}
