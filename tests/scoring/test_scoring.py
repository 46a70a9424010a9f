"""Scores of pictures from any project: what is read, what is measured, what is refused."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import ROOT, random_images
from picture_trees import WRITERS
from PIL import Image
from sklearn.datasets import load_digits

import genlab
from genlab import scoring
from genlab.contract.evidence import Samples
from genlab.contract.score import Floor, Score
from genlab.evaluation import Panel
from genlab.features import pinned
from genlab.features.extractor import Extracted
from genlab.imaging.array_files import ArrayImages, Form
from genlab.imaging.arrays import digest
from genlab.numerics.gaussians import frechet_distance_of_features
from genlab.runtime.errors import InputError
from genlab.scoring import PictureScores, floors, reading, table
from genlab.scoring.floors import ALIKE, FLOOR, PictureSet
from genlab.settings import params

DIGITS = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
REAL, GENERATED, TRAIN = DIGITS[:300], DIGITS[300:500], DIGITS[500:900]
PINNED, FRECHET = "digits-v2", "frechet_distance"


@pytest.fixture(scope="module", autouse=True)
def few_subsets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Makes the kernel distance cheap; the rest is as in this version's `params.yaml`."""
    text, path = scoring.PARAMS.read_text(), tmp_path_factory.mktemp("params") / "params.yaml"
    assert text.count("num_subsets: 100") == 1
    path.write_text(text.replace("num_subsets: 100", "num_subsets: 2"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "PARAMS", path)
        yield path


def save(folder: Path, name: str, images: np.ndarray) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, images=images)
    return path


def write_pngs(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        picture.save(folder / f"{index:04d}.png")
    return folder


def request(folder: Path, **changes: Any) -> scoring.Request:
    """Returns a request for digits against digits; an array is saved first."""
    values: dict[str, Any] = {
        "real": REAL,
        "generated": GENERATED,
        "train": None,
        "features": PINNED,
        "graph": None,
        "sha256": None,
        "params": scoring.PARAMS,
        "seed": 0,
        "allow_few": False,
        "cache": None,
    } | changes
    for name, value in values.items():
        values[name] = save(folder, name, value) if isinstance(value, np.ndarray) else value
    return scoring.Request(**values)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> PictureScores:
    return scoring.score(request(tmp_path_factory.mktemp("scores"), train=TRAIN))


def refusal(folder: Path, **changes: Any) -> InputError:
    with pytest.raises(InputError) as error:
        scoring.score(request(folder, **changes))
    assert "\n" not in str(error.value)
    return error.value


# What is measured


def test_distance_is_that_of_the_pinned_features(scores: PictureScores) -> None:
    score, distances = scores.metrics[FRECHET], {}
    for name, extractor in pinned.load(PINNED).items():
        real, generated = (extractor.extract(images).features for images in (REAL, GENERATED))
        distance = frechet_distance_of_features(real, generated)
        distances[name] = distance / real.var(axis=0).mean()
    assert len(distances) == 4
    assert score.judges == pytest.approx(distances, rel=1e-3)
    assert score.value == pytest.approx(np.mean([*distances.values()]), rel=1e-3)
    assert score.interval[0] < score.value < score.interval[1]
    assert score.interval_method == "jackknife, 10 blocks of images"
    floor = score.floor["floor"]  # both are digits, but by other writers
    assert 0 < floor.value < score.value
    assert floor.interval is None


def test_every_measure_has_a_number_or_a_reason(scores: PictureScores) -> None:
    expected = set(Panel(params.load(scoring.PARAMS).evaluation.metrics).names(Samples))
    assert {FRECHET, "class_histogram_distance"} <= expected
    assert set(scores.metrics) | set(scores.skipped) == expected
    assert not set(scores.metrics) & set(scores.skipped)
    assert all(scores.skipped.values())


def test_json_and_protocol(scores: PictureScores) -> None:
    content = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert list(content) == ["metrics", "skipped", "protocol", "warnings"]
    metric, score = content["metrics"][FRECHET], scores.metrics[FRECHET]
    assert metric == {
        "value": score.value,
        "interval": list(score.interval),
        "interval_method": "jackknife, 10 blocks of images",
        "unit": "squared feature distance",
        "direction": "lower",
        "reference": "Heusel et al. 2017",
        "floor": score.floor["floor"].value,
        "settings": {"num_sizes": 15},
        "alike": scores.alike[FRECHET],
        "judges": score.judges,
    }
    protocol = content["protocol"]
    judges = {
        name: {
            "pinned": PINNED,
            "task": "classes",
            "weights_sha256": extractor.settings["weights_sha256"],
            "scaled": True,
        }
        for name, extractor in pinned.load(PINNED).items()
    }
    expected = {
        "features": PINNED,
        "judges": judges,
        "feature_dim": 16,
        "num_real": 300,
        "num_generated": 200,
        "num_train": 400,
        "generated_sha256": digest(GENERATED),
        "image_shape": [8, 8, 1],
        "quantisation": {"real": "none", "generated": "none", "train": "none"},
        "resize": "none",
        "floor": "150 of the real pictures (floor) and 150 generated ones (alike), each against "
        "the other 150 real ones",
        "seed": 0,
        "genlab_version": genlab.__version__,
    }
    assert protocol == protocol | expected


def test_a_lost_class_is_seen(tmp_path: Path) -> None:
    labels = load_digits().target[300:500]
    scores = scoring.score(request(tmp_path, generated=GENERATED[labels != 3]))
    assert scores.metrics["smallest_class_share"].value < 0.1


def test_neither_the_cache_nor_the_format_changes_a_score(
    scores: PictureScores, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    sets = {"real": REAL, "generated": GENERATED, "train": TRAIN}
    folders = {name: write_pngs(tmp_path / name, images) for name, images in sets.items()}
    for changes in ({"train": TRAIN}, folders):
        assert scoring.score(request(tmp_path, cache=cache, **changes)) == scores
    assert len(list((cache / "features").glob("*.npz"))) == 4 * 3


def test_trained_features(tmp_path: Path) -> None:
    text = scoring.PARAMS.read_text()
    assert text.count("steps: 1500") == 1  # of the section `features`
    few_steps = tmp_path / "params.yaml"
    few_steps.write_text(text.replace("steps: 1500", "steps: 50"))
    changes = {"features": "trained", "train": TRAIN, "params": few_steps}
    scores = scoring.score(request(tmp_path, generated=random_images(200), **changes))
    tasks = {name: facts["task"] for name, facts in scores.protocol["judges"].items()}
    assert tasks == {"residual": "20 clusters", "strided": "20 clusters"}
    score = scores.metrics[FRECHET]
    assert score.value > 5 * score.floor["floor"].value
    assert "smallest_class_share" in scores.skipped


def test_inception_features(tmp_path: Path) -> None:
    """The graph's features are the mean colours."""
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, (1, 299, 299, 3), "Mul")
        tf.nn.avg_pool2d(images, 299, 1, "VALID", name="pool_3")
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.as_graph_def(add_shapes=True).SerializeToString())
    real, generated = (random_images(40, (6, 6, 3), seed) for seed in (0, 1))
    changes = {"real": real, "generated": generated, "features": "inception"}
    scores = scoring.score(request(tmp_path, graph=str(path), **changes))
    assert scores.protocol["resize"] == "bilinear to 299 x 299, TensorFlow 1"
    assert scores.protocol["feature_dim"] == 3
    features = [images.mean(axis=(1, 2)) for images in (real, generated)]
    raw = frechet_distance_of_features(*features) / 128**2  # the graph sees (x - 128) / 128
    # Resizing moves the means a little; scaled features would have a hundred times the distance.
    assert scores.metrics[FRECHET].value == pytest.approx(raw, rel=0.5)
    assert "--inception-graph must be given" in refusal(tmp_path, **changes).expected


# Intervals and floors


def numbered(num_real: int, num_generated: int) -> Samples:
    """Returns evidence whose features are the images' numbers."""
    real, generated = np.arange(num_real), np.arange(num_generated)
    return Samples(real[:, None], generated[:, None], real, generated, 0)


class Asked(Panel):
    """Keeps the parts that it is asked for."""

    def ask_parts(self, samples: Samples, kept: np.ndarray) -> list[dict[str, float]]:
        self.kept = kept
        return super().ask_parts(samples, kept)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_every_generated_image_is_left_out_once_and_a_terminal_sees_how_far_it_is(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = io.StringIO()
    stderr.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stderr)
    panel = Asked({"frechet_distance": {"num_sizes": 2}, "precision_recall": {"num_neighbours": 3}})
    numbers = scoring._without_blocks(panel, numbered(5, 43))
    assert ("0/2" in stderr.getvalue()) == is_terminal
    assert panel.kept.shape == (10, 43)
    np.testing.assert_array_equal((~panel.kept).sum(axis=0), 1)
    assert set((~panel.kept).sum(axis=1)) == {4, 5}
    assert {len(values) for values in numbers} == {4}
    assert scoring._without_blocks(panel, numbered(5, 19)) == []


def pictures(number: int, start: int) -> PictureSet:
    """Returns pictures that are told by their numbers."""
    numbers = np.arange(start, start + number)
    return PictureSet(numbers, Extracted(numbers[:, np.newaxis], numbers))


@pytest.mark.parametrize(
    ("num_real", "num_generated", "number", "num_others"),
    [(11, 5, 5, 6), (11, 50, 5, 6), (40, 7, 7, 20), (40, 20, 20, 20)],
)
def test_floor_has_the_numbers_of_what_stands_beside_it(
    num_real: int, num_generated: int, number: int, num_others: int
) -> None:
    real, generated = pictures(num_real, 0), pictures(num_generated, 1000)
    chosen = floors.pairs(real, generated, 2, seed=0)
    assert list(chosen) == [FLOOR, ALIKE]
    for pair in chosen.values():
        assert (len(pair.others.images), len(pair.real.images)) == (number, num_others)
        for part in pair:
            np.testing.assert_array_equal(part.images, part.extracted.classes)
    (rest, others), (again, beside) = chosen.values()
    assert not set(rest.images) & set(others.images)
    assert again is rest
    assert len({*rest.images, *others.images}) == number + num_others
    assert set(beside.images) <= set(generated.images)
    other = floors.pairs(real, generated, 2, seed=1)[FLOOR]
    assert set(other.real.images) != set(rest.images)
    assert floors.pairs(real, generated, number + 1, seed=0) == {}


def test_a_perfect_set_of_few_pictures_is_as_good_as_the_floor(tmp_path: Path) -> None:
    """100 other real pictures against 900: beside their own numbers both are alike."""
    order = np.random.default_rng(0).permutation(1797)
    real, generated = DIGITS[order[:900]], DIGITS[order[900:1000]]
    scores = scoring.score(request(tmp_path, real=real, generated=generated))
    assert scores.protocol["floor"] == (
        "100 of the real pictures (floor) and 100 generated ones (alike), each against the other "
        "450 real ones"
    )
    for name, tolerance in ((FRECHET, 0.35), ("coverage", 0.15), ("precision", 0.15)):
        floor = scores.metrics[name].floor["floor"].value
        assert scores.alike[name] == pytest.approx(floor, rel=tolerance)
    assert scores.warnings == ()
    content = scores.to_json()["metrics"]["coverage"]
    assert content["alike"] == scores.alike["coverage"]


def test_floor_of_too_few_pictures_is_refused_in_words(tmp_path: Path) -> None:
    scores = scoring.score(request(tmp_path, real=REAL[:30]))
    assert not scores.metrics[FRECHET].floor
    assert scores.protocol["floor"] == (
        "none: half of the 30 real pictures, or all generated ones, are fewer than 17; "
        "see --allow-few"
    )


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
    pictures = reading.read(path, None, "--real")
    assert (pictures.images.shape, pictures.images.dtype) == ((3, 4, 5, 1), np.uint8)
    assert pictures.quantisation == quantisation
    np.testing.assert_array_equal(pictures.images[:, 2, 3, 0], expected)


def test_the_array_called_images_is_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.zeros(2), images=np.full((2, 3, 3, 3), 9, np.uint8))
    assert reading.read(tmp_path / "a.npz", None, "--real").images.min() == 9


def test_folders_are_grey_where_all_pictures_are(tmp_path: Path) -> None:
    grey = write_pngs(tmp_path / "grey", random_images(3))
    np.testing.assert_array_equal(reading.read(grey, None, "--real").images, random_images(3))
    assert reading.read(grey, 3, "--real").images.shape == (3, 8, 8, 3)
    Image.fromarray(random_images(1, (8, 8, 3))[0]).save(grey / "sub.jpg")
    assert reading.read(grey, None, "--real").images.shape == (4, 8, 8, 3)


# What is refused


@pytest.mark.parametrize(
    ("images", "received", "option"),
    [
        (np.full((4, 8, 8), np.nan), "values that are not a number (NaN)", ""),
        (np.array([-0.5, 1]).repeat(16).reshape(2, 4, 4), "values from -0.5 to 1", "--range=-1,1"),
        (np.full((4, 8, 8), 255.0), "values from 255 to 255", "--range=0,255"),
        (np.full((4, 8, 8), 1.05), "values from 1.05 to 1.05", ""),
        (np.full((4, 8, 3), 0.5), "the shape (4, 8, 3), which is that of one picture", ""),
        (np.full((4, 8, 8), 256.0), "values from 256 to 256", ""),
        (np.full((4, 8, 8), np.inf), "values from inf to inf", ""),
        (np.full((4, 8, 8), 9), "the type int64", "--range=0,255"),
        (np.ones((4, 8, 8), bool), "the type bool", "--range=0,1"),
        (np.zeros((4, 1, 8, 8), np.uint8), "the shape (4, 1, 8, 8)", "--layout=nchw"),
        (np.zeros((4, 2, 8, 8), np.uint8), "the shape (4, 2, 8, 8)", ""),
        (np.zeros((0, 8, 8), np.uint8), "the shape (0, 8, 8, 1)", ""),
        (np.zeros(4, np.uint8), "the shape (4,)", ""),
        (np.zeros((4, 8, 8), complex), "the type complex128", ""),
        (np.array([{"a": 1}], object), "pickled objects, or another format", ""),
    ],
)
def test_arrays_that_are_no_pictures(
    tmp_path: Path, images: np.ndarray, received: str, option: str
) -> None:
    """The line names the option that reads them, if one does."""
    error = refusal(tmp_path, real=images)
    assert error.expected == f"{tmp_path / 'real.npz'} must hold {reading.ARRAYS}"
    where = f"See --real, or add {option}" if option else "See --real"
    assert (error.received, error.where) == (received, where)


GREYS = np.array([0, 128, 255] * 24, np.uint8).reshape(3, 4, 6, 1).repeat(3, axis=-1)
TANH = (GREYS / 127.5 - 1).astype(np.float32)
NCHW = np.ascontiguousarray(TANH.transpose(0, 3, 1, 2))
SAVED = {
    "floats from 0 to 255": (GREYS * 1.0, Form(value_range=(0, 255))),
    "integers": (GREYS.astype(np.int32), Form(value_range=(0, 255))),
    "floats from -1 to 1": (TANH, Form(value_range=(-1, 1))),
    "channels first": (NCHW, Form(layout="nchw", value_range=(-1, 1))),
    "uint8, channels first": (GREYS.transpose(0, 3, 1, 2), Form(layout="nchw")),
    "uint8 beside others": (GREYS, Form(None, "nchw", (-1, 1))),
    "another name": (GREYS, Form(key="samples")),
}


@pytest.mark.parametrize("name", SAVED)
def test_options_read_arrays_of_other_programs(tmp_path: Path, name: str) -> None:
    array, form = SAVED[name]
    path = tmp_path / "a.npz"
    np.savez(path, **{form.key or "images": array, "labels": np.zeros(3)})
    pictures = reading.read(path, None, "--real", form)
    np.testing.assert_array_equal(pictures.images, GREYS)
    assert pictures.doubts == ()


def test_black_and_white_is_stretched_by_the_range_of_0_to_1(tmp_path: Path) -> None:
    for number, dtype in enumerate((np.uint8, bool, np.int64, np.float32)):
        path = tmp_path / f"{number}.npy"
        np.save(path, (GREYS > 99).astype(dtype))
        pictures = reading.read(path, None, "--real", Form(value_range=(0, 1)))
        np.testing.assert_array_equal(pictures.images, (GREYS > 99) * np.uint8(255))


def test_values_outside_of_the_range_are_refused(tmp_path: Path) -> None:
    for array, value_range in ((TANH, (0, 1)), (GREYS > 9, (2, 3)), (GREYS * 2.0, (0, 255))):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(InputError) as caught:
            reading.read(tmp_path / "a.npy", None, "--real", Form(value_range=value_range))
        assert caught.value.received.startswith("values from ")


def test_protocol_says_how_values_were_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", TANH)
    pictures = reading.read(tmp_path / "a.npy", None, "--real", Form(value_range=(-1, 1)))
    assert pictures.quantisation == "float32 from -1 to 1 scaled to uint8"


def no_arrays(path: Path) -> None:
    np.savez(path)


def two_arrays(path: Path) -> None:
    np.savez(path, a=np.zeros(4), b=REAL)


def statistics(path: Path) -> None:
    np.savez(path, mu=np.zeros(4), sigma=np.eye(4))


def objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], object))


def text(path: Path) -> None:
    path.write_text("text")


def array_with_other_name(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.zeros(4))
    path.with_suffix(".npy").replace(path)


def archive_with_other_name(path: Path) -> None:
    no_arrays(path.with_suffix(".npz"))
    path.with_suffix(".npz").replace(path)


def cut_header(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY\x01\x00")


def folder_with_text(path: Path) -> None:
    text(write_pngs(path, REAL[:2]) / "0001.png")


def folder_of_sizes(path: Path) -> None:
    Image.new("L", (8, 9)).save(write_pngs(path, REAL[:2]) / "0001.png")


@pytest.mark.parametrize(
    ("name", "write", "part"),
    [
        ("empty.npz", no_arrays, "Received: no arrays."),
        ("two.npz", two_arrays, "Received: the arrays a, b. See --real, or add --key=b."),
        ("fid.npz", statistics, "Received: statistics (mu, sigma) of features of their own"),
        ("text.npz", text, "must hold an array `images`"),
        ("text.npy", text, "or another format."),
        ("cut.npy", cut_header, "must hold an array `images`"),
        ("objects.npy", objects, "Received: pickled objects"),
        ("array.npz", array_with_other_name, "Received: the shape (4,)."),
        ("archive.npy", archive_with_other_name, "Received: no arrays."),
        ("a.txt", text, "a.txt, another kind of file."),
        ("nowhere", lambda path: None, "nowhere, no such file or folder."),
        (
            "empty",
            Path.mkdir,
            "WebP, BMP, TIFF or GIF). Received: none.",
        ),
        ("damaged", folder_with_text, "Received: not an image."),
        ("sizes", folder_of_sizes, "0000.png is 8x8"),
    ],
)
def test_files_that_are_no_pictures(tmp_path: Path, name: str, write: Any, part: str) -> None:
    write(tmp_path / name)
    assert part in str(refusal(tmp_path, real=tmp_path / name))


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_is_read_in_folders_and_archives(tmp_path: Path, write: Any) -> None:
    files = {}
    for number, kind in enumerate(("PNG", "WebP", "BMP", "TIFF", "GIF")):
        content = io.BytesIO()
        image = REAL[number, ..., 0]
        Image.fromarray(image).save(content, kind, **{"WebP": {"lossless": True}}.get(kind, {}))
        files[f"{number % 2}/{number}.{kind.lower()}"] = content.getvalue()
    pictures = reading.read(write(files, tmp_path / "own"), 1, "--real")
    np.testing.assert_array_equal(pictures.images, REAL[[0, 2, 4, 1, 3]])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_changed_byte_is_refused_in_one_line_or_changes_nothing(
    tmp_path: Path, save: Any
) -> None:
    """Names and dates in the archive are stored twice, and one of them is not read."""
    path, refused, images = tmp_path / "a.npz", [], random_images(5)
    save(path, images=images)
    content = path.read_bytes()
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ 0x21]) + content[index + 1 :])
        try:
            np.testing.assert_array_equal(reading.read(path, None, "--real").images, images)
        except InputError as error:
            refused.append(error)
    assert not [error for error in refused if "\n" in str(error) or not error.received]
    assert len(refused) > len(content) / 2


FEW = "the generated pictures must be at least 17, more than the 16 dimensions of the features"


@pytest.mark.parametrize(
    ("changes", "expected", "received", "where"),
    [
        (
            {"generated": random_images(40, (8, 9, 1))},
            "all pictures must have the shape of the real ones, (8, 8, 1)",
            "generated pictures of (8, 9, 1)",
            "See --generated",
        ),
        ({"features": "mnist-v1"}, "the shape (28, 28, 1)", "(8, 8, 1)", "See --features"),
        ({"features": "digit-v1"}, "nearest: 'digits-v1'", "'digit-v1'", "See --features"),
        ({"features": "trained"}, "--train must be given", "none", "See genlab score --help"),
        (
            {"generated": GENERATED[:16]},
            FEW,
            "16",
            "See --generated, other --features, or --allow-few",
        ),
        (
            {"real": REAL[:1], "allow_few": True},
            "the real pictures must be at least 2",
            "1",
            "See --real",
        ),
    ],
)
def test_refusals(
    tmp_path: Path, changes: dict[str, Any], expected: str, received: str, where: str
) -> None:
    error = refusal(tmp_path, **changes)
    assert expected in error.expected
    assert (error.received, error.where) == (received, where)


def test_few_pictures_are_scored_if_they_are_allowed(tmp_path: Path) -> None:
    scores = scoring.score(request(tmp_path, generated=GENERATED[:16], allow_few=True))
    score = scores.metrics[FRECHET]
    assert (score.interval, score.interval_method) == (None, "none: too few images")
    assert score.value > 0


# What is doubtful


BLANK = np.full((1, 8, 8, 1), 7, np.uint8)


@pytest.mark.parametrize(
    ("sets", "lines"),
    [
        ({"real": REAL[:99], "generated": GENERATED, "train": TRAIN}, []),
        (
            {"real": REAL[:9], "generated": REAL[:9][::-1]},
            [
                "the generated and the real pictures are the same 9: they are compared with "
                "themselves"
            ],
        ),
        (
            {"real": REAL[:9], "generated": REAL[:20]},
            [
                "9 of 20 generated pictures are real ones, which are all 9 of them: they are "
                "compared with themselves"
            ],
        ),
        (
            {"real": REAL[:20], "generated": REAL[18:30]},
            ["2 of 12 generated pictures are real ones: they are compared with themselves"],
        ),
        (
            {"real": REAL[:9], "generated": TRAIN, "train": TRAIN},
            [
                "the generated and the train pictures are the same 400: the generator has copied "
                "them"
            ],
        ),
        (
            {"real": TRAIN[:9], "generated": GENERATED, "train": TRAIN},
            ["9 of 9 real pictures are train ones: they are not held out"],
        ),
        (
            {"real": REAL[:9], "generated": GENERATED[[0, 1, 1, 1]]},
            ["2 of 4 generated pictures repeat another one of them"],
        ),
        (
            {"real": REAL[:9], "generated": np.concatenate([BLANK, BLANK + 1, GENERATED])},
            ["2 of 202 generated pictures are of a single colour"],
        ),
        (
            {"real": REAL[:9], "generated": (GENERATED > 9).astype(np.uint8)[:9]},
            [
                "the generated pictures hold no values but 0 and 1, of 255: they are black; "
                "--range=0,1 reads arrays of black and white"
            ],
        ),
    ],
)
def test_doubts(sets: dict[str, np.ndarray], lines: list[str]) -> None:
    pictures = {name: ArrayImages(images, "none") for name, images in sets.items()}
    assert scoring.doubts(pictures) == lines


def test_doubts_about_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.linspace(0, 1, 32).reshape(2, 4, 4))
    form = Form("samples", "nhwc", (-1, 1))
    pictures = reading.read(tmp_path / "a.npz", None, "--real", form)
    assert scoring.doubts({"real": pictures}) == [
        "real pictures: values from 0 to 1 were read as from -1 to 1",
        "real pictures: there is no array 'samples', so 'images' was read",
    ]


def test_doubts_are_among_the_scores(tmp_path: Path) -> None:
    scores = scoring.score(request(tmp_path, generated=REAL[:200], allow_few=True))
    line = "200 of 200 generated pictures are real ones: they are compared with themselves"
    assert scores.to_json()["warnings"] == (line,)
    assert f"warning: {line}" in table.lines(scores)


# What is printed and written


def test_table() -> None:
    judges = {"dense": {"task": "classes", "weights_sha256": "ab" * 32}}
    numbers = {"num_real": 3, "num_generated": 4, "num_train": 0}
    protocol = {"features": "digits-v2", "judges": judges, **numbers}
    protocol |= {"intervals": "so", "floor": "and so"}
    floor = {"floor": Floor(0.5, None)}
    first = Score(2.71828, (2.5, 2.9), "", "squared", "lower", "", "", {}, floor)
    second = Score(123456.0, None, "", "share", "higher", "", "", {})
    missing = {"d": "no classes"}
    scores = PictureScores({"a": first, "b_c": second}, missing, protocol, (), {"a": 0.6})
    assert table.lines(scores) == [
        "measure      value  95 % interval  alike  floor  better  unit",
        "a            2.718     2.5 to 2.9    0.6    0.5  lower   squared",
        "b_c      1.235e+05              -      -      -  higher  share",
        "not measured: d: no classes",
        "",
        "judges of digits-v2: dense (task classes, SHA-256 abababababab); this is one opinion",
        "pictures: 3 real, 4 generated, 0 train",
        "intervals: so",
        "floor: and so",
    ]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(folder / "kept")}
    for name, value in os.environ.items():
        if not name.startswith(("DVC_", "GENLAB_", "XDG_", "PYTHONPATH")):
            environment[name] = value
    command = [sys.executable, "-m", "genlab", "score", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_command_works_in_any_folder(scores: PictureScores, tmp_path: Path) -> None:
    sets = {"real": REAL, "generated": GENERATED, "train": TRAIN}
    options = [f"--{name}={save(tmp_path, name, images).name}" for name, images in sets.items()]
    options.append(f"--params={scoring.PARAMS}")
    done = run(tmp_path, *options, f"--features={PINNED}", "--out=scores.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == table.lines(scores)
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content == json.loads(json.dumps(scores.to_json()))
    assert len(list((tmp_path / "kept" / "genlab").rglob("*.npz"))) == 4 * 3


def test_only_scores_are_replaced_by_scores(scores: PictureScores, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    for content in ("my thesis", "[1]", "3", '{"a": 1}'):
        mine.write_text(content)
        with pytest.raises(InputError, match="must be new, or scores that genlab wrote"):
            scoring.check_out(mine)
        assert mine.read_text() == content
    with pytest.raises(InputError, match="must be a file, or new"):
        scoring.check_out(tmp_path)
    scoring.write(scores, tmp_path / "scores.json")
    scoring.check_out(tmp_path / "scores.json")
    scoring.check_out(tmp_path / "new.json")


def test_float_arithmetic_just_beyond_the_range_is_no_error(tmp_path: Path) -> None:
    for scale, low, form in ((255, 0, Form()), (127.5, 1, Form(value_range=(-1, 1)))):
        path = tmp_path / f"{low}.npz"
        np.savez(path, images=(GREYS / scale - low) * 1.0000001)
        np.testing.assert_array_equal(reading.read(path, None, "--real", form).images, GREYS)


def test_one_judge_is_one_opinion(tmp_path: Path) -> None:
    scores = scoring.score(request(tmp_path, features="digits-v1"))
    assert scores.metrics[FRECHET].judges == {}
    assert table.lines(scores)[-4].endswith("; this is one opinion")
