"""Images from trained models: the very arrays, whole files, one line for what is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_models import contents, tiny_model, write_dataset, write_trained_model
from PIL import Image

from genlab.imaging import arrays
from genlab.numerics import density
from genlab.runtime.errors import InputError
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel
from genlab.workflows import generation

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Returns folders of models with random weights, as training writes them."""
    root = tmp_path_factory.mktemp("models")
    kinds = {"autoencoder": "dense", "vae": "convolutional", "gan": "convolutional"}
    for kind, network in kinds.items():
        folder = write_trained_model(
            root / kind, tiny_model(kind, SHAPE, network=network), kind, SHAPE
        )
        if kind != "gan":
            latents = np.random.default_rng(0).normal(size=(60, 3))
            density.fit(latents, 2, seed=0).write(folder / "density.npz")
    return {kind: root / kind for kind in kinds}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), SHAPE)


# A trained model, in batches


@pytest.mark.parametrize(
    ("kind", "source"),
    [("vae", "prior"), ("vae", "fitted"), ("autoencoder", "fitted"), ("gan", "prior")],
)
def test_first_samples_do_not_depend_on_the_number(
    folders: dict[str, Path], kind: str, source: str
) -> None:
    model = trained_model.load(folders[kind])
    many = model.sample(230, 5, source)
    assert (many.shape, many.dtype) == ((230, *SHAPE), np.float32)
    for number in (1, 3, 101):
        np.testing.assert_array_equal(model.sample(number, 5, source), many[:number])
    assert not np.array_equal(model.sample(3, 6, source), many[:3])


def test_batches_come_back_in_their_order_and_number(folders: dict[str, Path]) -> None:
    model = trained_model.load(folders["vae"])
    latents = model.draw_latents(250, 1, "prior")
    np.testing.assert_allclose(model.decode(latents), model.model.decode(latents), atol=1e-6)
    floats = arrays.to_float(np.arange(201 * 192, dtype=np.int64).reshape(201, *SHAPE) % 251)
    np.testing.assert_allclose(model.encode(floats), model.model.encode(floats), atol=1e-5)
    np.testing.assert_allclose(
        model.reconstruct(floats), model.model.reconstruct(floats), atol=1e-6
    )


def test_sources(folders: dict[str, Path]) -> None:
    models = {kind: trained_model.load(folder) for kind, folder in folders.items()}
    assert {kind: model.sources() for kind, model in models.items()} == {
        "autoencoder": ["fitted"],
        "vae": ["prior", "fitted"],
        "gan": ["prior"],
    }
    assert [model.can("encode") for model in models.values()] == [True, True, False]


def refusal(function: Any, *values: Any) -> str:
    with pytest.raises(InputError) as caught:
        function(*values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_a_model_cannot_do_is_refused(folders: dict[str, Path]) -> None:
    models: dict[str, TrainedModel] = {
        kind: trained_model.load(folder) for kind, folder in folders.items()
    }
    picture = np.zeros((1, *SHAPE))
    assert refusal(models["autoencoder"].sample, 3, 0, "prior") == (
        "source must be one of fitted for autoencoder (kind autoencoder). Received: 'prior'. See source."
    )
    assert refusal(models["gan"].encode, picture).startswith(
        "encode must be asked of a model with an encoder. Received: gan"
    )
    assert refusal(models["gan"].reconstruct, picture).startswith(
        "reconstruct must be asked of a model with an encoder."
    )
    for wrong in (np.zeros((8, 8, 3)), np.zeros((1, 8, 8, 1))):
        assert "images must have the shape (n, 8, 8, 3). Received: (" in refusal(
            models["vae"].encode, wrong
        )
    for latents in (np.zeros(3), np.zeros((2, 4))):
        assert "latents must have the shape (n, 3). Received: (" in refusal(
            models["vae"].decode, latents
        )


def test_images_are_taken_as_uint8_or_floats(folders: dict[str, Path]) -> None:
    model = trained_model.load(folders["vae"])
    pictures = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), np.uint8)
    for verb in (model.encode, model.reconstruct):
        np.testing.assert_array_equal(verb(pictures), verb(pictures.astype(np.float64) / 255))
    wrong = {
        "float32 from 0 to 255": [0, 255],
        "float32 from -1 to 1": [-1, 1],
        "float32 from nan to nan": [np.nan, 1],
    }
    for received, ends in wrong.items():
        values = np.full((1, *SHAPE), ends[1], np.float32)
        values[0, 0, 0, 0] = ends[0]
        assert f"images must be uint8, or floats in [0, 1]. Received: {received}." in refusal(
            model.encode, values
        )
    assert "Received: int64 from 0 to 0." in refusal(model.encode, np.zeros((1, *SHAPE), np.int64))


def test_interpolation_keeps_the_length_under_a_normal_prior_alone(
    folders: dict[str, Path],
) -> None:
    first, last = np.array([2.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
    middles = {
        "vae": [2**0.5, 2**0.5, 0.0],
        "gan": [2**0.5, 2**0.5, 0.0],
        "autoencoder": [1.0, 1.0, 0.0],
    }
    for kind, middle in middles.items():
        model = trained_model.load(folders[kind])
        expected = model.decode(np.array([first, middle, last]))
        np.testing.assert_allclose(model.interpolate(first, last, 3), expected, atol=1e-6)
    gan = trained_model.load(folders["gan"])
    gan.settings["settings"]["prior"] = "uniform"
    np.testing.assert_allclose(
        gan.interpolate(first, last, 3)[1], gan.decode(np.array([[1.0, 1.0, 0.0]]))[0], atol=1e-6
    )


def test_interpolation_between_images_begins_and_ends_with_their_reconstructions(
    folders: dict[str, Path],
) -> None:
    model = trained_model.load(folders["autoencoder"])
    pair = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    path = model.interpolate(*pair, num_steps=5)
    np.testing.assert_allclose(path[[0, 4]], model.reconstruct(pair), atol=1e-6)
    assert "model with an encoder" in refusal(trained_model.load(folders["gan"]).interpolate, *pair)
    assert "num_steps must be at least 2. Received: 1." in refusal(model.interpolate, *pair, 1)
    assert "or latents (3,). Received: (4,)." in refusal(
        model.interpolate, np.zeros(4), np.zeros(4)
    )


def test_what_a_training_left_is_read(folders: dict[str, Path], tmp_path: Path) -> None:
    model = trained_model.load(folders["vae"])
    model.folder = tmp_path
    (tmp_path / "history.csv").write_text("step,train/loss,validation/loss\n5,3.5,\n10,2.5,4\n")
    history = model.history()
    assert {name: [part.tolist() for part in pair] for name, pair in history.items()} == {
        "train/loss": [[5, 10], [3.5, 2.5]],
        "validation/loss": [[10], [4.0]],
    }
    for step, grey in ((1, 10), (30, 20)):
        arrays.write_png(
            tmp_path / "progress" / f"samples_{step:06d}.png", np.full((4, 4, 1), grey, np.uint8)
        )
    steps, grids = model.progress()
    assert steps == [1, 30]
    assert grids[:, 0, 0, 0].tolist() == [10, 20]
    assert "key must be one of samples. Received: 'reconstructions'." in refusal(
        model.progress, "reconstructions"
    )


def test_folder_without_a_model_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    assert refusal(trained_model.load, tmp_path / "vae") == (
        f"{tmp_path / 'vae'} must be the folder of a trained model. Received: no settings.json there. Run: dvc repro."
    )
    known = refusal(trained_model.load, folders["vae"].parent / "vea")
    assert known.endswith("(nearest: 'vae').")
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "settings.json").write_bytes(
        (folders["vae"] / "settings.json").read_bytes()
    )
    assert "Received: no model.weights.h5 there." in refusal(trained_model.load, tmp_path / "vae")


# Files


@pytest.mark.parametrize(("kind", "source"), [("vae", "prior"), ("autoencoder", "fitted")])
def test_generate_writes_exactly_the_images(
    folders: dict[str, Path], tmp_path: Path, kind: str, source: str
) -> None:
    for name in ("new/first.npz", "second.npz"):
        generation.generate(folders[kind], 5, 3, source, tmp_path / name)
    with np.load(tmp_path / "second.npz", allow_pickle=False) as arrays:
        assert arrays.files == ["images"]
        found = arrays["images"]
    assert (found.shape, found.dtype) == ((5, *SHAPE), np.uint8)
    np.testing.assert_array_equal(
        found, arrays.to_uint8(trained_model.load(folders[kind]).sample(5, 3, source))
    )
    assert (tmp_path / "new/first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "second.npz"]


def test_generate_writes_a_folder_of_pngs(folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    out.mkdir()
    generation.generate(folders["gan"], 11, 3, "prior", out)
    expected = arrays.to_uint8(trained_model.load(folders["gan"]).sample(11, 3))
    assert sorted(path.name for path in out.iterdir()) == [
        f"{index:02d}.png" for index in range(11)
    ]
    for index, picture in enumerate(expected):
        with Image.open(out / f"{index:02d}.png") as opened:
            np.testing.assert_array_equal(np.asarray(opened), picture)
    assert list(tmp_path.iterdir()) == [out]


def test_reconstruct_writes_images_and_reconstructions(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    generation.reconstruct(folders["vae"], data, "validation", tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz", allow_pickle=False) as arrays:
        assert arrays.files == ["images", "reconstructions"]
        originals, rebuilt = arrays["images"], arrays["reconstructions"]
    np.testing.assert_array_equal(originals, arrays.read_split(data, "validation").images)
    assert (rebuilt.shape, rebuilt.dtype) == ((12, *SHAPE), np.uint8)
    expected = trained_model.load(folders["vae"]).reconstruct(arrays.to_float(originals))
    np.testing.assert_array_equal(rebuilt, arrays.to_uint8(expected))


@pytest.mark.parametrize("name", ["out.npz", "out"])
def test_nothing_is_left_when_writing_stops(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Stopped while the third file, or the file, is written; a second attempt is not disturbed by what was left."""
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
            generation.generate(folders["gan"], 5, 0, "prior", tmp_path / name)
    assert not (tmp_path / name).exists()
    generation.generate(folders["gan"], 5, 0, "prior", tmp_path / name)
    written = contents(tmp_path)
    assert b"half" not in written.values()
    assert len(written) == (1 if name == "out.npz" else 5)


def test_wrong_requests_are_refused_and_leave_nothing(
    folders: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    gan, vae = folders["gan"], folders["vae"]
    assert "--out must end in .npz or be a folder's name. Received: " in refusal(
        generation.generate, vae, 2, 0, "prior", tmp_path / "samples.png"
    )
    assert "--out must be a new or empty folder. Received: " in refusal(
        generation.generate, vae, 2, 0, "prior", full
    )
    assert "source must be one of prior" in refusal(
        generation.generate, gan, 2, 0, "fitted", tmp_path / "a.npz"
    )
    assert "--out must end in .npz. Received: " in refusal(
        generation.reconstruct, vae, data, "test", tmp_path / "a"
    )
    assert "model with an encoder" in refusal(
        generation.reconstruct, gan, data, "test", tmp_path / "a.npz"
    )
    assert "must be a split of a fetched" in refusal(
        generation.reconstruct, vae, tmp_path, "test", tmp_path / "a.npz"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert [path.name for path in full.iterdir()] == ["mine"]
