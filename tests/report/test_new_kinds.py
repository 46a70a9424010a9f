"""Models without a latent vector, with given labels or inputs, from sources of any name."""

from pathlib import Path

import numpy as np
import pytest
import report_workspace as lab
from report_workspace import PRIOR, Page, distance, row, score
from test_pages import assert_as_stored, read


@pytest.fixture
def text(laboratory: Path) -> str:
    """The page of a VAE, a conditional model, a translator, and one of image-shaped noise."""
    some = lab.some_images(64)
    scores = {PRIOR: distance(5.0)}
    drawn = {"prior_samples": some}
    lab.add_model(laboratory, "cgan", scores, drawn, given=["labels"], noise_shape=[8])
    classes = {"prior": np.repeat([0, 1, 2], [22, 21, 21])}
    lab.write_npz(laboratory / "evaluation" / "cgan" / "asked_classes.npz", classes)
    scores = {"mse": score(0.02), "psnr": score(17.0, "higher"), "frechet_distance": distance(8.0)}
    scores = {f"test/translation/{name}": values for name, values in scores.items()}
    drawn = {"translation_inputs": some, "translation": some // 2, "translation_targets": some // 3}
    lab.add_model(laboratory, "pix2pix", scores, drawn, given=["inputs"], noise_shape=[])
    scores = {PRIOR: distance(4.0), "test/elsewhere/frechet_distance": distance(9.0)}
    drawn = {"prior_samples": some, "elsewhere_samples": some, "attention_maps": some}
    lab.add_model(laboratory, "flow", scores, drawn, given=[], noise_shape=[8, 8, 1])
    return lab.render(laboratory, "vae", "cgan", "pix2pix", "flow")


def test_new_kinds_are_compared(text: str, laboratory: Path) -> None:
    assert_as_stored("new_kinds", Page(text).outline())
    assert row(text, "Latent size") == ["5", "8", *["– no latent vector"] * 2]
    assert row(text, "Given") == ["nothing", "labels", "inputs", "nothing"]
    assert row(text.split(">Translation<")[1], "PSNR")[2] == "17.00"
    assert row(text, "Fréchet distance, elsewhere samples")[3].startswith("9.00")
    page = Page(read(laboratory, "pages/pix2pix.html"))
    assert [str(image["alt"]) for image in page.all("img")][:3] == [
        "64 inputs, made from test images",
        "64 translations by pix2pix of the inputs, in the same order",
        "64 test images, the targets",
    ]
    assert "genlab translate pix2pix --inputs FOLDER --seed 7 --out" in page.text
    images = {str(image["alt"]): image for image in Page(text).all("img")}
    sorted_by_class = images["24 samples from the prior of cgan, made without any input image"]
    size = (sorted_by_class["width"], sorted_by_class["height"])
    assert size == (str(71 * 3), str(26 * 3))  # 8 images of 8 pixels in each of 3 rows
    assert "genlab generate cgan --num-images 64 --seed 7 --source prior --labels balanced" in text
