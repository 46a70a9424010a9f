"""Models of every new kind through the stages: trained, scored, on the pages, asked for images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tracking_workspace as lab
from fixtures_models import fixture_chapters, fixture_kinds, tiny_entry, tiny_params, tiny_spec
from fixtures_models import write_dataset as write

from genlab.features import judges
from genlab.settings.params import Params, build_section
from genlab.stages import evaluate, features, floor, report, train
from genlab.workflows import export, generation

FEATURES = {"extractor": "trained", "feature_dim": 3, "steps": 2, "batch_size": 8}
EVALUATION: dict[str, Any] = {
    "num_images": 16,
    "num_repeats": 2,
    "inversion": {"num_images": 4, "num_starts": 8, "steps": 2, "learning_rate": 0.1},
    "likelihood": {"num_images": 4, "num_samples": 3},
    "representations": {"num_train": 20},
}
SCORES = {
    "conditional": {"test/prior/frechet_distance", "test/prior/label_agreement"},
    "flow": {"test/prior/frechet_distance", "test/likelihood/negative_log_likelihood"},
    "growing": {"test/prior/frechet_distance", "test/inversion/mse"},
    "translator": {"test/translation/frechet_distance", "test/translation/mse"},
}


def small_params() -> Params:
    params = tiny_params({kind: tiny_entry(kind) for kind in fixture_kinds()})
    evaluation = params.evaluation.model_dump() | EVALUATION
    metrics = evaluation["metrics"] | {"kernel_distance": {"num_subsets": 2, "subset_size": 8}}
    roles = {role: {"strided": [2], "dense": [2]} for role in judges.ROLES}
    recipe = params.features.model_dump() | FEATURES | {"judges": roles}
    parts = {
        "evaluation": build_section(
            type(params.evaluation), evaluation | {"metrics": metrics}, "t"
        ),
        "features": build_section(type(params.features), recipe, "t"),
    }
    return params.model_copy(update=parts)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Yields a workspace in which all stages have run."""
    with pytest.MonkeyPatch.context() as patch, fixture_chapters():
        root = lab.enter(patch, tmp_path_factory.mktemp("root"))
        params = small_params()
        images = write(root / "images", fields=tuple(tiny_spec()))
        features.run(params, images, root / "features")
        selection, reporting = (root / "features" / role for role in judges.ROLES)
        floor.run(params, images, reporting, root / "floor")
        for kind in fixture_kinds():
            model = root / "models" / kind
            paths = train.TrainPaths(images, selection, model, root / "timings")
            train.run(params, kind, paths)
            inputs = (model, images, reporting, root / "floor")
            outputs = (root / "scores" / kind, root / "evaluation" / kind)
            evaluate.run(params, evaluate.EvaluationPaths(*inputs, *outputs))
        (root / "validation.json").write_text('{"class_counts": {}, "checks": []}')
        names = (
            "models",
            "scores",
            "trainings",
            "evaluation",
            "features",
            "images",
            "timings",
            "plots",
        )
        names += ("rate_distortion", "data_docs", "pages")
        places = {name: root / name for name in names}
        places |= {
            "features": reporting,
            "validation": root / "validation.json",
            "out": root / "index.html",
        }
        report.run(params, **places)
        yield root


@pytest.mark.parametrize("kind", fixture_kinds())
def test_stages_of_a_new_kind(root: Path, tmp_path: Path, kind: str) -> None:
    metrics = json.loads((root / "scores" / kind / "metrics.json").read_text())
    assert metrics.keys() >= SCORES.get(kind, set())
    assert all(np.isfinite(value) for value in metrics.values())
    assert f"pages/{kind}.html" in (root / "index.html").read_text()
    for ending in (".html", ".md"):
        assert (root / "pages" / kind).with_suffix(ending).is_file()
    with np.load(root / "evaluation" / kind / "pictures.npz") as pictures:
        assert "originals" in pictures
    out = export.export(root / "models" / kind, "savedmodel", tmp_path / "out")
    assert "generate" in json.loads((out / "export.json").read_text())["functions"]


def test_runs_have_what_the_stages_found(root: Path) -> None:
    tags = [run.data.tags for run in lab.runs()]
    assert {tag["genlab.kind"] for tag in tags if "genlab.kind" in tag} == set(fixture_kinds())


def test_images_of_trained_new_kinds(root: Path, tmp_path: Path) -> None:
    models = root / "models"
    order = generation.SampleOrder(4, labels=("balanced",))
    generation.generate(models / "conditional", order, tmp_path / "conditional.npz")
    for kind in ("flow", "growing"):
        generation.generate(models / kind, generation.SampleOrder(4), tmp_path / f"{kind}.npz")
    generation.generate(models / "growing", generation.SampleOrder(4), tmp_path / "pictures")
    with np.load(tmp_path / "conditional.npz") as arrays:
        assert arrays["labels"].tolist() == [0, 1, 0, 1]
    translated = tmp_path / "translated.npz"
    generation.translate(models / "translator", tmp_path / "pictures", 0, translated)
    with np.load(translated) as arrays:
        assert arrays["images"].shape == arrays["inputs"].shape == (4, 8, 8, 1)
