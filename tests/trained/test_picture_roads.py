"""One decoder: a picture gives the same pixels when it is fetched, scored, translated or served."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures_models import ROOT
from picture_kinds import KINDS

from genlab.datasets import image_folder
from genlab.scoring import reading
from genlab.settings.params import Params
from genlab.trained import model as trained_model
from genlab.trained import requests
from genlab.trained.model import TrainedModel
from genlab.workflows import generation

HANDED = sorted((ROOT.parent / "shared" / "cases" / "pictures").glob("*"))
FORMS: dict[str, Callable[[bytes], str | bytes]] = {
    "bytes": lambda content: content,
    "base64": lambda content: base64.b64encode(content).decode(),
    "base64 in lines": lambda content: base64.encodebytes(content).decode(),
    "address": lambda content: f"data:image/png;base64,{base64.b64encode(content).decode()}",
}


@pytest.fixture(scope="module")
def vae(folders: dict[str, Path]) -> TrainedModel:
    return trained_model.load(folders["vae"])


def fetched(folder: Path, channels: int, change_data: Callable[..., Params]) -> np.ndarray:
    """Returns the only picture of a folder as `genlab fetch` reads it; the page shows its array."""
    settings = change_data(directory=str(folder), channels=channels, test_share=1e-9).data
    (image,) = image_folder.read(folder, settings, 0).train["images"]
    return image


@pytest.mark.parametrize("name", KINDS)
def test_pixels_are_equal_on_every_road(
    vae: TrainedModel, change_data: Callable[..., Params], tmp_path: Path, name: str
) -> None:
    content = KINDS[name].content
    (tmp_path / "a.png").write_bytes(content)
    image = fetched(tmp_path, 3, change_data)
    np.testing.assert_array_equal(reading.read(tmp_path, 3, "--real").images, image[np.newaxis])
    latents = vae.encode(image[np.newaxis])
    for form in FORMS.values():
        table = pd.DataFrame({"images": [form(content)]})
        np.testing.assert_array_equal(requests.answer(vae, table, {"verb": "encode"}), latents)


def test_translation_reads_the_same_pixels(
    folders: dict[str, Path], change_data: Callable[..., Params], tmp_path: Path
) -> None:
    images = []
    for index, kind in enumerate(KINDS.values()):
        folder = tmp_path / f"{index:02d}"
        folder.mkdir()
        (folder / "a.png").write_bytes(kind.content)
        images.append(fetched(folder, 3, change_data))
    generation.translate(folders["translator"], tmp_path, 0, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as arrays:
        np.testing.assert_array_equal(arrays["inputs"], images)


@pytest.mark.parametrize("channels", [1, 3])
def test_handed_pictures(change_data: Callable[..., Params], tmp_path: Path, channels: int) -> None:
    """They lie beside the checkout, or not."""
    for path in HANDED:
        folder, content = tmp_path / path.stem, path.read_bytes()
        folder.mkdir()
        (folder / path.name).write_bytes(content)
        image = fetched(folder, channels, change_data)
        scored = reading.read(folder, channels, "--real").images
        np.testing.assert_array_equal(scored, image[np.newaxis])
        table = pd.DataFrame({"images": [base64.b64encode(content).decode()]})
        served = requests.images_of(table, image.shape)
        np.testing.assert_array_equal(served, image[np.newaxis])
        if path.name.startswith(("exif_unwritable", "fz_READ")):
            assert image.shape[:2] == (6, 4)  # turned by the orientation that is still readable
        if path.name == "g16_trns.png":
            assert image[0, 0, 0] == 255
