"""What `genlab score` and the report say of sets whose numbers mislead: on MNIST."""

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from genlab import scoring
from genlab.report import words
from genlab.report.laboratory import Laboratory, ReportedModel
from genlab.report.revision import Revision
from genlab.scoring import PictureScores

pytestmark = pytest.mark.slow

NUM_REAL, NUM_GENERATED, NUM_TRAIN = 4000, 1500, 12000
DISTANCE = "frechet_distance"
COPIES = "are partly known images"
CROWD = "have more precision and density than real images"
REPEAT = "repeat each other"
LOST = "neglect a class"
MISS = "miss much of the data"
FAR = "are far from the data"


@dataclasses.dataclass(frozen=True)
class Sets:
    """Real images, train images, other real images, and ones that are none of them."""

    real: np.ndarray
    train: np.ndarray
    others: np.ndarray
    ones: np.ndarray


def read(mirror: str, name: str, offset: int) -> np.ndarray:
    with gzip.open(Path(mirror) / "mnist" / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


@pytest.fixture(scope="module")
def sets(mnist_mirror: str) -> Sets:
    """Random images: the two halves of MNIST's test split are of different writers."""
    test = read(mnist_mirror, "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    train = read(mnist_mirror, "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    labels = read(mnist_mirror, "train-labels-idx1-ubyte.gz", 8)
    generator = np.random.default_rng(0)
    real, others = np.split(generator.permutation(len(test)), [NUM_REAL])
    known, unseen = np.split(generator.permutation(len(train)), [NUM_TRAIN])
    ones = unseen[labels[unseen] == 1][:NUM_GENERATED]
    return Sets(test[real], train[known], test[others[:NUM_GENERATED]], train[ones])


def blurred(images: np.ndarray) -> np.ndarray:
    smooth = ndimage.gaussian_filter(images.astype(float), (0, 0.5, 0.5, 0))
    return np.rint(smooth).astype(np.uint8)


GENERATED: dict[str, Callable[[Sets], np.ndarray]] = {
    "other real images": lambda sets: sets.others,
    "the real ones themselves": lambda sets: sets.real[::-1],
    "train images": lambda sets: sets.train[:NUM_GENERATED],
    "train images, moved": lambda sets: np.roll(sets.train[:NUM_GENERATED], 1, 2),
    "blurred": lambda sets: blurred(sets.others),
    "only ones": lambda sets: sets.ones,
    "ten images": lambda sets: np.repeat(sets.others[:10], NUM_GENERATED // 10, axis=0),
    "one image": lambda sets: np.repeat(sets.others[:1], NUM_GENERATED, axis=0),
}
SAID = {
    "other real images": [],
    "the real ones themselves": [],
    "train images": [COPIES],
    "train images, moved": [COPIES],
    "blurred": [CROWD],
    "only ones": [FAR, LOST, MISS],
    "ten images": [FAR, LOST, MISS, REPEAT],
    "one image": [FAR, LOST, MISS, REPEAT],
}
SILENT = {
    "blurred": [COPIES, REPEAT, LOST],
    "only ones": [COPIES, REPEAT],
    "ten images": [COPIES],
    "one image": [COPIES],
}
COUNTED = {
    "the real ones themselves": "the generated and the real pictures are the same 4000",
    "train images": "1500 of 1500 generated pictures are train ones",
    "ten images": "1490 of 1500 generated pictures repeat another one of them",
    "one image": "1499 of 1500 generated pictures repeat another one of them",
}
"""What is said of equal bytes."""


@pytest.fixture(scope="module")
def folder(sets: Sets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sets")
    np.savez(place / "real.npz", images=sets.real)
    np.savez(place / "train.npz", images=sets.train)
    text = scoring.PARAMS.read_text()
    assert text.count("num_subsets: 100") == 1
    (place / "params.yaml").write_text(text.replace("num_subsets: 100", "num_subsets: 10"))
    return place


@pytest.fixture(scope="module", params=GENERATED)
def scored(sets: Sets, folder: Path, request: pytest.FixtureRequest) -> tuple[str, PictureScores]:
    generated = folder / "generated.npz"
    np.savez(generated, images=GENERATED[request.param](sets))
    asked = scoring.Request(
        real=folder / "real.npz",
        generated=generated,
        train=folder / "train.npz",
        features="mnist-v2",
        graph=None,
        sha256=None,
        params=folder / "params.yaml",
        seed=0,
        allow_few=False,
        cache=folder / "cache",
    )
    return request.param, scoring.score(asked)


def in_the_report(scores: PictureScores) -> str:
    """Returns what the report says is weak, of a model with these samples."""
    numbers = {
        f"test/prior/{name}": dataclasses.replace(score, value=scores.alike.get(name, score.value))
        for name, score in scores.metrics.items()
    }
    model = ReportedModel("a", {"kind": "gan", "settings": {}}, numbers)
    compared = Laboratory(None, {}, {}, {}, [model], Path(), Revision())  # type: ignore[arg-type]
    return " ".join(one.text for one in words.summary(compared) if one.tone == "weak")


def test_what_is_said(scored: tuple[str, PictureScores]) -> None:
    name, scores = scored
    lines = "\n".join(scores.warnings)
    for text in (lines, in_the_report(scores)):
        assert [part for part in SAID[name] if part not in text] == []
        assert [part for part in SILENT.get(name, []) if part in text] == []
    if not SAID[name]:
        assert in_the_report(scores) == ""
    assert COUNTED.get(name, "") in lines
    assert bool(lines) == bool(SAID[name] or name in COUNTED)


def test_numbers(scored: tuple[str, PictureScores]) -> None:
    """Those of one set lie beside the floor, or far from it, as the set is made."""
    name, scores = scored
    values = {key: score.value for key, score in scores.metrics.items()}
    floor = {key: score.floor["floor"].value for key, score in scores.metrics.items()}
    for key, score in scores.metrics.items():
        low, high = score.interval or (score.value, score.value)
        assert low <= score.value <= high
        assert (key, low >= 0 or key.startswith(("kernel", "frechet_distance_inf"))) == (key, True)
    if name == "other real images":
        for key in (DISTANCE, "coverage", "precision", "recall", "density"):
            assert scores.alike[key] == pytest.approx(floor[key], rel=0.25)
        assert values["nearest_train_rank"] == pytest.approx(0.5, abs=0.03)
        assert values["copied_share"] == pytest.approx(0.01, abs=0.01)
    if name == "the real ones themselves":
        assert values[DISTANCE] == pytest.approx(0, abs=1e-6)
        assert (values["precision"], values["recall"]) == (1, 1)
        assert values["density"] == pytest.approx(6 / 5, rel=1e-6)
        assert scores.metrics["recall"].interval[1] == 1
    if name.startswith("train images"):
        assert values["pixel_copied_share"] == 1
        assert floor["pixel_copied_share"] < 0.005
    if name == "only ones":
        assert values["nearest_train_rank"] < 0.75
        assert values["copied_share"] < 0.04
