"""Scores of pictures from any project: what is read, what is measured, what is refused."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import ROOT, random_images
from PIL import Image
from scipy import stats
from sklearn.datasets import load_digits
from test_inception import mean_colours

import genlab
from genlab import scoring
from genlab.evaluation import Panel, samples
from genlab.features import pinned
from genlab.features.extractor import Extracted
from genlab.imaging.arrays import digest
from genlab.measurement.evidence import Samples
from genlab.numerics import intervals
from genlab.numerics.gaussians import frechet_distance_of_features
from genlab.runtime.errors import InputError
from genlab.scoring import reading, table
from genlab.settings import params

DIGITS = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
REAL, GENERATED, TRAIN = DIGITS[:300], DIGITS[300:500], DIGITS[500:900]


def save(folder: Path, name: str, images: np.ndarray) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, images=images)
    return path


def write_pngs(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
            folder / f"{index:04d}.png"
        )
    return folder


def request(folder: Path, **changes: Any) -> scoring.Request:
    """Returns what is asked for: digits against digits; an array is saved first."""
    values: dict[str, Any] = {
        "real": REAL,
        "generated": GENERATED,
        "train": None,
        "features": "digits-v1",
        "graph": None,
        "sha256": None,
        "params": scoring.PARAMS,
        "seed": 0,
        "allow_few": False,
        "cache": None,
    } | changes
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    return scoring.Request(
        **values | {name: save(folder, name, array) for name, array in arrays.items()}
    )


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return scoring.score(request(tmp_path_factory.mktemp("scores"), train=TRAIN))


def refusal(folder: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as found:
        scoring.score(request(folder, **changes))
    assert "\n" not in str(found.value)
    return str(found.value)


# What is measured


def test_distance_is_that_of_the_pinned_features(scores: dict[str, Any]) -> None:
    real, generated = (
        pinned.load("digits-v1").extract(images).features for images in (REAL, GENERATED)
    )
    found = scores["metrics"]["frechet_distance"]
    assert found["value"] == pytest.approx(frechet_distance_of_features(real, generated), rel=1e-6)
    low, high = found["interval"]
    assert low < found["value"] < high
    assert found["interval_method"] == "jackknife, 10 blocks of images"
    assert 0 < found["floor"] < found["value"]  # both are digits, but by other writers
    assert (found["unit"], found["direction"]) == ("squared feature distance", "lower")


def test_every_measure_has_a_number_or_a_reason(scores: dict[str, Any]) -> None:
    expected = set(Panel(params.load(scoring.PARAMS).evaluation.metrics).names(Samples))
    assert {"frechet_distance", "class_histogram_distance"} <= expected
    assert set(scores["metrics"]) | set(scores["skipped"]) == expected
    assert not set(scores["metrics"]) & set(scores["skipped"])
    assert all(scores["skipped"].values())
    json.dumps(scores, allow_nan=False)


def test_protocol(scores: dict[str, Any]) -> None:
    protocol = scores["protocol"]
    facts = pinned.load("digits-v1").settings
    assert protocol["features"] == {
        "name": "digits-v1",
        "pinned": "digits-v1",
        "task": "classes",
        "weights_sha256": facts["weights_sha256"],
    }
    assert [protocol[f"num_{name}"] for name in ("real", "generated", "train")] == [300, 200, 400]
    assert protocol["generated_sha256"] == digest(GENERATED)
    assert (protocol["resize"], protocol["quantisation"]["real"]) == ("none", "none")
    assert (protocol["image_shape"], protocol["feature_dim"]) == ([8, 8, 1], 16)
    assert (protocol["seed"], protocol["genlab_version"]) == (0, genlab.__version__)
    assert protocol["floor"] == "150 of the real pictures against the other 150"
    assert scores["metrics"]["frechet_distance"]["settings"] == {"num_sizes": 15}


def test_a_lost_class_is_seen(tmp_path: Path) -> None:
    labels = load_digits().target[300:500]
    found = scoring.score(request(tmp_path, generated=GENERATED[labels != 3]))["metrics"]
    assert found["smallest_class_share"]["value"] < 0.1


def test_equal_requests_give_equal_scores_and_the_cache_changes_none(
    scores: dict[str, Any], tmp_path: Path
) -> None:
    for _ in range(2):
        assert scoring.score(request(tmp_path, train=TRAIN, cache=tmp_path / "cache")) == scores
    assert len(list((tmp_path / "cache" / "features").glob("*.npz"))) == 3


def test_folders_of_png_count_as_arrays(scores: dict[str, Any], tmp_path: Path) -> None:
    folders = {
        name: write_pngs(tmp_path / name, images)
        for name, images in (("real", REAL), ("generated", GENERATED), ("train", TRAIN))
    }
    assert scoring.score(request(tmp_path, **folders)) == scores


def test_trained_features(tmp_path: Path) -> None:
    text = scoring.PARAMS.read_text()
    assert text.count("steps: 1500") == 1  # of the section `features`
    (tmp_path / "params.yaml").write_text(text.replace("steps: 1500", "steps: 50"))
    few_steps = tmp_path / "params.yaml"
    noise = random_images(200)
    found = scoring.score(
        request(tmp_path, features="trained", train=TRAIN, generated=noise, params=few_steps)
    )
    assert found["protocol"]["features"]["task"] == "20 clusters"
    distance = found["metrics"]["frechet_distance"]
    assert distance["value"] > 5 * distance["floor"]
    assert "smallest_class_share" in found["skipped"]


def test_inception_features(tmp_path: Path) -> None:
    (tmp_path / "graph.pb").write_bytes(mean_colours())
    real, generated = random_images(40, (6, 6, 3)), random_images(40, (6, 6, 3), seed=1)
    found = scoring.score(
        request(
            tmp_path,
            real=real,
            generated=generated,
            features="inception",
            graph=str(tmp_path / "graph.pb"),
        )
    )
    assert found["protocol"]["resize"] == "bilinear to 299 x 299, TensorFlow 1"
    assert found["protocol"]["feature_dim"] == 3
    assert found["metrics"]["frechet_distance"]["value"] >= 0
    assert "--inception-graph must be given" in refusal(
        tmp_path, real=real, generated=generated, features="inception"
    )


def test_features_are_not_fitted_to_the_pictures_that_are_scored(tmp_path: Path) -> None:
    assert refusal(tmp_path, features="trained") == (
        "--train must be given for --features trained: features are not fitted to the pictures that are scored. "
        "Received: none. See genlab score --help."
    )


# Intervals and floors


def test_jackknife_of_a_mean_is_students_interval() -> None:
    """Deleting one of ten numbers at a time gives the standard error of their mean; 2.262157 is Student's for 9."""
    values = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    estimate = intervals.of_jackknife(3.9, [(values.sum() - value) / 9 for value in values])
    margin = 2.262157 * np.std(values, ddof=1) / np.sqrt(10)
    assert estimate.interval == pytest.approx((3.9 - margin, 3.9 + margin), rel=1e-6)
    assert estimate.interval == pytest.approx(
        stats.t.interval(0.95, 9, 3.9, stats.sem(values)), rel=1e-6
    )


def numbered(num_real: int, num_generated: int) -> Samples:
    """Returns evidence whose features are the images' numbers."""
    real, generated = (
        np.arange(number, dtype=float)[:, np.newaxis] for number in (num_real, num_generated)
    )
    return Samples(real, generated, np.arange(num_real), np.arange(num_generated), 0)


def test_every_generated_image_is_left_out_once() -> None:
    parts = list(scoring._without_blocks(numbered(5, 43)))
    assert len(parts) == 10
    left_out = [set(range(43)) - set(part.generated_features.ravel().astype(int)) for part in parts]
    assert sorted(number for each in left_out for number in each) == list(range(43))
    assert {len(each) for each in left_out} == {4, 5}
    for part in parts:
        assert len(part.real_features) == 5
        np.testing.assert_array_equal(part.generated_features.ravel(), part.generated_classes)
    assert list(scoring._without_blocks(numbered(5, 19))) == []


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_and_no_log_sees_how_far_the_intervals_are(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    written.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", written)
    assert len(list(scoring._without_blocks(numbered(5, 43)))) == 10
    assert ("0/10" in written.getvalue()) == is_terminal


def test_floor_is_one_half_of_the_real_images_against_the_other() -> None:
    rows, others = samples.halves(Extracted(np.arange(11.0)[:, np.newaxis], np.arange(11)), seed=0)
    assert (len(rows.features), len(others.features)) == (5, 6)
    assert sorted([*rows.classes, *others.classes]) == list(range(11))
    for half in (rows, others):
        np.testing.assert_array_equal(half.features[:, 0], half.classes)
    again = samples.halves(Extracted(np.arange(11.0)[:, np.newaxis], np.arange(11)), seed=1)[0]
    assert set(again.classes) != set(rows.classes)


# What is read


@pytest.mark.parametrize(
    ("array", "expected", "quantisation"),
    [
        (np.array([0, 7, 255], np.uint8), [0, 7, 255], "none"),
        (np.array([0.0, 0.0294, 1.0]), [0, 7, 255], "float rounded to uint8"),
        (np.array([0.0, 0.5, 1.0], np.float16), [0, 128, 255], "float rounded to uint8"),
    ],
)
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_arrays(
    tmp_path: Path, array: np.ndarray, expected: list[int], quantisation: str, ending: str
) -> None:
    path = tmp_path / f"a{ending}"
    images = np.tile(array.reshape(3, 1, 1), (1, 4, 5))
    if ending == ".npy":
        np.save(path, images)
    else:
        np.savez(path, anything=images)
    found = reading.read(path, None, "--real")
    assert (found.images.shape, found.images.dtype, found.quantisation) == (
        (3, 4, 5, 1),
        np.uint8,
        quantisation,
    )
    np.testing.assert_array_equal(found.images[:, 2, 3, 0], expected)


def test_the_array_called_images_is_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.zeros(2), images=np.full((2, 3, 3, 3), 9, np.uint8))
    assert reading.read(tmp_path / "a.npz", None, "--real").images.min() == 9


def test_folders_are_grey_where_all_pictures_are(tmp_path: Path) -> None:
    grey = write_pngs(tmp_path / "grey", random_images(3))
    assert reading.read(grey, None, "--real").images.shape == (3, 8, 8, 1)
    np.testing.assert_array_equal(reading.read(grey, None, "--real").images, random_images(3))
    assert reading.read(grey, 3, "--real").images.shape == (3, 8, 8, 3)
    Image.fromarray(random_images(1, (8, 8, 3))[0]).save(grey / "sub.jpg")
    assert reading.read(grey, None, "--real").images.shape == (4, 8, 8, 3)


# What is refused


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.full((4, 8, 8), np.nan), "values that are not a number (NaN)"),
        (np.full((4, 8, 8), -0.5), "values from -0.5 to -0.5"),
        (np.full((4, 8, 8), 255.0), "values from 255 to 255"),
        (np.full((4, 8, 8), np.inf), "values from inf to inf"),
        (np.zeros((4, 8, 8), np.int64), "the type int64"),
        (np.zeros((4, 1, 8, 8), np.uint8), "the shape (4, 1, 8, 8)"),
        (np.zeros((0, 8, 8), np.uint8), "the shape (0, 8, 8, 1)"),
        (np.zeros(4, np.uint8), "the shape (4,)"),
        (np.array([{"a": 1}], object), "pickled objects, or another format"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path: Path, images: np.ndarray, received: str) -> None:
    assert refusal(tmp_path, real=images) == (
        f"{tmp_path / 'real.npz'} must hold {reading.ARRAYS}. Received: {received}. See --real."
    )


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=REAL, b=REAL)
    (tmp_path / "text.npz").write_text("text")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object))
    np.savez(tmp_path / "empty.npz")
    (tmp_path / "text.npy").write_text("text")
    (tmp_path / "a.txt").write_text("text")
    assert "Received: no arrays. See --real." in refusal(tmp_path, real=tmp_path / "empty.npz")
    assert "or another format. See --real." in refusal(tmp_path, real=tmp_path / "text.npy")
    assert "Received: the arrays a, b. See --real." in refusal(tmp_path, real=tmp_path / "two.npz")
    assert "text.npz must hold an array `images`" in refusal(tmp_path, real=tmp_path / "text.npz")
    assert "cut.npy must hold an array `images`" in refusal(tmp_path, real=tmp_path / "cut.npy")
    assert "Received: pickled objects" in refusal(tmp_path, real=tmp_path / "objects.npy")
    assert "a.txt, another kind of file. See --generated." in refusal(
        tmp_path, generated=tmp_path / "a.txt"
    )
    assert "nowhere, no such file or folder. See --train." in refusal(
        tmp_path, train=tmp_path / "nowhere"
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_changed_byte_is_refused_in_one_line_or_changes_nothing(
    tmp_path: Path, save: Any
) -> None:
    """Of the names and dates that the archive holds nothing is read twice: some changes do not matter."""
    path, refused, images = tmp_path / "a.npz", [], random_images(5)
    save(path, images=images)
    content = path.read_bytes()
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ 0x21]) + content[index + 1 :])
        try:
            np.testing.assert_array_equal(reading.read(path, None, "--real").images, images)
        except InputError as error:
            refused.append(str(error))
    assert not [message for message in refused if "\n" in message or "Received: ." in message]
    assert len(refused) > len(content) / 2


def test_folders_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    message = refusal(tmp_path, real=tmp_path / "empty")
    assert (
        message == f"{tmp_path / 'empty'} must hold PNG or JPEG files. Received: none. See --real."
    )
    folder = write_pngs(tmp_path / "pictures", REAL[:2])
    (folder / "0001.png").write_text("no picture")
    assert "0001.png must be a readable PNG or JPEG file. Received: not an image." in refusal(
        tmp_path, real=folder
    )
    Image.new("L", (8, 9)).save(folder / "0001.png")
    message = refusal(tmp_path, real=folder)
    assert "0000.png is 8x8" in message
    assert message.endswith("0001.png is 9x8. See --real.")


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, generated=random_images(40, (8, 9, 1))) == (
        "all pictures must have the shape of the real ones, (8, 8, 1). Received: generated pictures of (8, 9, 1). "
        "See --generated."
    )
    assert refusal(tmp_path, features="mnist-v1") == (
        "images must have the shape (28, 28, 1) for the extractor mnist-v1. Received: (8, 8, 1). See --features."
    )


def test_unknown_features_are_refused_with_the_nearest(tmp_path: Path) -> None:
    assert refusal(tmp_path, features="digit-v1") == (
        "--features must be one of digits-v1, mnist-v1, inception, trained (nearest: 'digits-v1'). "
        "Received: 'digit-v1'. See --features."
    )


def test_few_pictures_are_refused_unless_they_are_allowed(tmp_path: Path) -> None:
    assert refusal(tmp_path, generated=GENERATED[:16]) == (
        "the generated pictures must be at least 17, more than the 16 dimensions of the features: with fewer, "
        "distances are mostly bias. Received: 16. See --generated, other --features, or --allow-few."
    )
    assert refusal(tmp_path, real=REAL[:1], allow_few=True) == (
        "the real pictures must be at least 2. Received: 1. See --real."
    )
    found = scoring.score(request(tmp_path, generated=GENERATED[:16], allow_few=True))["metrics"][
        "frechet_distance"
    ]
    assert (found["interval"], found["interval_method"]) == (None, "none: too few images")
    assert found["value"] > 0
    assert len(scoring.score(request(tmp_path, generated=GENERATED[:17]))["metrics"]) >= 1


# What is printed and written


def test_table() -> None:
    protocol = {
        "features": {"name": "digits-v1", "task": "classes", "weights_sha256": "ab" * 32},
        "num_real": 3,
        "num_generated": 4,
        "num_train": 0,
        "intervals": "so",
        "floor": "and so",
    }
    metric = {
        "value": 2.71828,
        "interval": (2.5, 2.9),
        "floor": 0.5,
        "unit": "squared",
        "direction": "lower",
    }
    other = {
        "value": 123456.0,
        "interval": None,
        "floor": None,
        "unit": "share",
        "direction": "higher",
    }
    scores = {
        "metrics": {"a": metric, "b_c": other},
        "skipped": {"d": "no classes"},
        "protocol": protocol,
    }
    assert table.lines(scores) == [
        "measure      value  95 % interval  floor  better  unit",
        "a            2.718     2.5 to 2.9    0.5  lower   squared",
        "b_c      1.235e+05              -      -  higher  share",
        "not measured: d: no classes",
        "",
        "features: digits-v1 (task classes, SHA-256 abababababab)",
        "pictures: 3 real, 4 generated, 0 train",
        "intervals: so",
        "floor: and so",
    ]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "GENLAB_", "XDG_"))
    }
    environment = kept | {"PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(folder / "kept")}
    command = [sys.executable, "-m", "genlab", "score", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_command_works_in_any_folder(scores: dict[str, Any], tmp_path: Path) -> None:
    paths = [
        save(tmp_path, "real", REAL),
        save(tmp_path, "generated", GENERATED),
        save(tmp_path, "train", TRAIN),
    ]
    options = [f"--{path.stem}={path.name}" for path in paths]
    done = run(tmp_path, *options, "--features=digits-v1", "--out=scores.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == table.lines(scores)
    assert json.loads((tmp_path / "scores.json").read_text()) == json.loads(json.dumps(scores))
    assert len(list((tmp_path / "kept" / "genlab").rglob("*.npz"))) == 3
    again = run(tmp_path, *options, "--features=digits-v1", "--no-cache", "--out=.")
    assert again.returncode == 1
    assert again.stderr.startswith("error: --out must be a file")
    assert again.stdout == ""
