"""Images from trained models in files: the very arrays, whole, one line for what is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import (
    contents,
    fixture_chapters,
    random_images,
    tiny_model,
    write_dataset,
    write_trained_model,
)
from PIL import Image

from genlab.imaging import arrays
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel
from genlab.workflows import generation
from genlab.workflows.generation import SampleOrder

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Yields folders of models with random weights, as training writes them."""
    root = tmp_path_factory.mktemp("models")
    kinds = ("vae", "gan", "conditional", "translator")
    with fixture_chapters():
        for kind in kinds:
            write_trained_model(root / kind, tiny_model(kind, SHAPE), kind, SHAPE)
        yield {kind: root / kind for kind in kinds}


@pytest.fixture
def load(folders: dict[str, Path]) -> Callable[[str], TrainedModel]:
    return lambda kind: trained_model.load(folders[kind])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), SHAPE)


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def read_pngs(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]


def test_generate_writes_exactly_the_images(
    folders: dict[str, Path], load: Callable[[str], TrainedModel], tmp_path: Path
) -> None:
    for name in ("new/first.npz", "second.npz"):
        generation.generate(folders["vae"], SampleOrder(5, 3, "prior"), tmp_path / name)
    files = read(tmp_path / "second.npz")
    assert list(files) == ["images"]
    assert files["images"].dtype == np.uint8
    np.testing.assert_array_equal(files["images"], arrays.to_uint8(load("vae").sample(5, 3)))
    assert (tmp_path / "new/first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "second.npz"]


def test_generate_writes_a_folder_of_pngs(
    folders: dict[str, Path], load: Callable[[str], TrainedModel], tmp_path: Path
) -> None:
    out = tmp_path / "pictures"
    out.mkdir()
    generation.generate(folders["gan"], SampleOrder(11, 3), out)
    assert [path.name for path in sorted(out.iterdir())] == [f"{i:02d}.png" for i in range(11)]
    np.testing.assert_array_equal(read_pngs(out), arrays.to_uint8(load("gan").sample(11, 3)))
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("1", "0"), [1, 0, 1, 0, 1]),
        (("lower",), [1, 1, 1, 1, 1]),
        (("balanced",), [0, 1, 0, 1, 0]),
    ],
)
def test_classes_take_turns(
    folders: dict[str, Path],
    load: Callable[[str], TrainedModel],
    tmp_path: Path,
    labels: tuple[str, ...],
    expected: list[int],
) -> None:
    generation.generate(
        folders["conditional"], SampleOrder(5, 3, labels=labels), tmp_path / "a.npz"
    )
    files = read(tmp_path / "a.npz")
    assert files["labels"].tolist() == expected
    images = load("conditional").sample(5, 3, labels=np.array(expected))
    np.testing.assert_array_equal(files["images"], arrays.to_uint8(images))


def test_translate_makes_one_image_of_each_picture(
    folders: dict[str, Path], load: Callable[[str], TrainedModel], tmp_path: Path
) -> None:
    pictures = random_images(3, SHAPE)
    for name, picture in zip("bac", pictures, strict=True):
        arrays.write_png(tmp_path / "inputs" / f"{name}.png", picture)
    for out in ("out.npz", "out"):
        generation.translate(folders["translator"], tmp_path / "inputs", 0, tmp_path / out)
    files, inputs = read(tmp_path / "out.npz"), pictures[[1, 0, 2]]
    np.testing.assert_array_equal(files["inputs"], inputs)
    expected = arrays.to_uint8(load("translator").sample(3, inputs=inputs))
    np.testing.assert_array_equal(files["images"], expected)
    np.testing.assert_array_equal(read_pngs(tmp_path / "out"), expected)


def test_reconstruct_writes_images_and_reconstructions(
    folders: dict[str, Path], load: Callable[[str], TrainedModel], data: Path, tmp_path: Path
) -> None:
    generation.reconstruct(folders["vae"], data, "validation", tmp_path / "r.npz")
    files = read(tmp_path / "r.npz")
    originals = arrays.read_split(data, "validation").images
    np.testing.assert_array_equal(files["images"], originals)
    expected = load("vae").reconstruct(arrays.to_float(originals))
    np.testing.assert_array_equal(files["reconstructions"], arrays.to_uint8(expected))


@pytest.mark.parametrize("name", ["out.npz", "out"])
def test_nothing_is_left_when_writing_stops(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It stops in the third PNG, or in the file; what is left does not disturb a second attempt."""
    calls = []

    def stop(*values: Any, **named: Any) -> None:
        calls.append(values)
        if name == "out.npz":
            values[0].write(b"half")
        else:
            values[0].parent.mkdir(parents=True, exist_ok=True)
            values[0].write_bytes(b"half")
        if len(calls) == 3 or name == "out.npz":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(arrays, "write_png", stop)
        patch.setattr(np, "savez", stop)
        with pytest.raises(KeyboardInterrupt):
            generation.generate(folders["gan"], SampleOrder(5), tmp_path / name)
    assert not (tmp_path / name).exists()
    generation.generate(folders["gan"], SampleOrder(5), tmp_path / name)
    files = contents(tmp_path)
    assert b"half" not in files.values()
    assert len(files) == (1 if name == "out.npz" else 5)


@pytest.mark.parametrize(
    ("kind", "order", "out", "expected"),
    [
        ("vae", SampleOrder(2), "samples.png", "--out must end in .npz or be a folder's name"),
        ("vae", SampleOrder(2), "full", "{out} must be a file, or new"),
        ("gan", SampleOrder(2, source="fitted"), "a.npz", "source must be one of prior for gan"),
        (
            "gan",
            SampleOrder(2, labels=("1",)),
            "a.npz",
            "--labels must be asked of a model that is given",
        ),
        ("conditional", SampleOrder(2), "a.npz", "the model must be given labels"),
        (
            "conditional",
            SampleOrder(2, labels=("1", "uper")),
            "a.npz",
            "labels must be among upper, lower (nearest: 'upper')",
        ),
    ],
)
def test_wrong_orders_are_refused_and_leave_nothing(
    folders: dict[str, Path], tmp_path: Path, kind: str, order: SampleOrder, out: str, expected: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(InputError) as caught:
        generation.generate(folders[kind], order, tmp_path / out)
    assert caught.value.expected.startswith(expected.format(out=tmp_path / out))
    assert "\n" not in str(caught.value)
    assert list(contents(tmp_path)) == ["full/mine"]


def test_wrong_translations_and_reconstructions_are_refused_and_leave_nothing(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    inputs = tmp_path / "inputs"
    arrays.write_png(inputs / "a.png", random_images(1, (9, 8, 3))[0])
    out = tmp_path / "a.npz"
    for function, arguments, expected in (
        (generation.translate, ("vae", inputs, 0, out), "translate must be asked of a model that"),
        (
            generation.translate,
            ("translator", inputs, 0, out),
            "inputs must have the shape (1, 8, 8",
        ),
        (
            generation.reconstruct,
            ("gan", data, "test", out),
            "reconstruct must be asked of a model",
        ),
        (generation.reconstruct, ("vae", data, "test", tmp_path / "a"), "--out must end in .npz"),
        (
            generation.reconstruct,
            ("vae", inputs, "test", out),
            f"{inputs / 'test_images.npy'} must be",
        ),
    ):
        kind, *rest = arguments
        with pytest.raises(InputError) as caught:
            function(folders[kind], *rest)
        assert caught.value.expected.startswith(expected)
    assert list(contents(tmp_path)) == ["inputs/a.png"]
