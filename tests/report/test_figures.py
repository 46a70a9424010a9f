"""Figures as plotly.js is given them, and grids of images."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genlab import pages
from genlab.imaging import arrays
from genlab.report import curves, latents, pictures, rate_distortion
from genlab.report.laboratory import RateDistortion, ReportedModel


def model(**parts: Any) -> ReportedModel:
    return ReportedModel("a", {"kind": "vae", "settings": {}}, {}, **parts)


def decode(source: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        return np.asarray(image)


def test_first_steps_do_not_squash_the_curves() -> None:
    steps = np.arange(1, 1001)
    note, axis = curves.scale([(steps, np.where(steps < 5, 50.0, 10 + np.sin(steps)))])
    assert note == "4 of 1,000 values lie off the scale"
    assert 8 < axis["range"][0] < 9.1
    assert 10.9 < axis["range"][1] < 12
    assert curves.scale([(steps, 1e-3 * steps.astype(float))])[1] == {"type": "log"}
    assert curves.scale([(steps, np.sin(steps / 300))]) == ("", {})
    assert curves.scale([(steps[:1], np.array([0.0]))]) == ("", {})


def test_curves_join_splits_and_numbered_columns() -> None:
    steps, kls = np.array([1, 2, 3]), np.array([2.0, 1.5, 1.0])
    history = {"train/kl": (steps, kls), "validation/kl": (steps, kls + 1), "speed": (steps, kls)}
    history |= {f"validation/kl_of_dimension_{index}": (steps, kls) for index in (0, 1)}
    kl, speed, dimensions = curves.curves({"a": model(history=history)}, {"a": "#123456"})
    assert (kl.title, speed.title, dimensions.title) == ("KL", "Speed", "KL of dimension")
    ends = "a train from 2 at step 1 to 1 at step 3; a validation from 3 at step 1 to 2 at step 3"
    assert kl.text == f"Curves of KL: {ends}."
    assert (kl.data[0]["x"], kl.data[0]["y"]) == ([1, 2, 3], [2.0, 1.5, 1.0])
    assert [trace["name"] for trace in kl.data] == ["train", "validation"]
    assert [trace["line"]["color"] for trace in kl.data] == ["#123456", "var(--ink)"]
    assert (dimensions.note, dimensions.layout["showlegend"]) == ("2 lines", False)
    two = {name: model(history=history) for name in "ab"}
    both = curves.curves(two, {"a": "#1", "b": "#2"})[0].data
    names = ["a, train", "a, validation", "b, train", "b, validation"]
    assert [trace["name"] for trace in both] == names
    long = {"train/loss": (np.arange(5000), np.arange(5000.0))}
    (thinned,) = curves.curves({"a": model(history=long)}, {"a": "#1"})
    assert thinned.data[0]["x"][:2] == [0, 3]


@pytest.mark.parametrize(
    ("latent_dim", "count", "axes", "how", "middle"),
    [
        (1, 2, ["dimension 0", ""], "The latent dimensions as they are", 0),
        (2, 2, ["dimension 0", "dimension 1"], "The latent dimensions as they are", 0),
        (5, 2, ["component 1", "component 2"], "First two principal components of 5", 4.5),
    ],
)
def test_latents_are_projected_to_the_page(
    latent_dim: int, count: int, axes: list[str], how: str, middle: float
) -> None:
    points = np.zeros((10, latent_dim))
    points[:, 0] = np.arange(10)
    shown, names, text = latents.project(points, count)
    assert (shown.shape, names) == ((10, count), axes)
    assert text.startswith(how)
    np.testing.assert_allclose(np.abs(shown[:, 0]), np.abs(np.arange(10) - middle), atol=1e-9)


def test_scatter_has_a_colour_and_the_rows_of_each_class() -> None:
    points = {"latents": np.eye(4, 3), "labels": np.array([0, 1, 0, -1])}
    space = latents.space(model(arrays={"latents": points}), ["cat", "dog"])
    rows = {trace["name"]: trace["customdata"] for trace in space.data}
    assert rows == {"no class": [3], "cat": [0, 2], "dog": [1]}
    assert space.data[1]["x"] == [1.0, 0.0]
    assert space.data[1]["marker"]["color"] == "light-dark(#332288, #8877dd)"
    assert space.note == "4 of 4 test images. The latent dimensions as they are."
    (plane,) = latents.plane(model(arrays={"latents": points}), ["cat", "dog"])
    assert plane.data[-1]["text"] == ["no class", "cat", "dog"]


def test_shares_of_classes_of_any_source() -> None:
    counts = {"real": np.array([1, 3]), "prior": np.array([2, 2]), "elsewhere": np.array([4, 0])}
    (figure,) = latents.class_shares(model(arrays={"class_histogram": counts}), ["cat"], "#1")
    shares = {trace["name"]: trace["x"] for trace in figure.data}
    samples = {"prior samples": [0.5, 0.5], "elsewhere samples": [1.0, 0.0]}
    assert shares == {"data (test)": [0.25, 0.75]} | samples
    assert figure.layout["yaxis"]["ticktext"] == ["cat", "1"]


def test_posterior_and_kl_of_dimensions() -> None:
    means = np.array([[0, 4, 1, 0], [0, 2, 2, 0]])
    bins = {"step": np.array([1, 1000]), "edges": np.linspace(-1, 1, 5), "mean": means}
    parts = {"histograms": bins, "kl_per_dimension": {"kl": np.array([0.5, 2.0])}}
    mean, kl = latents.dimensions(model(arrays=parts), "#1")
    assert mean.data[0]["z"][1] == [1.0, 1.0]
    assert mean.layout["yaxis"]["range"] == [-0.5, 0.5]
    assert mean.layout["xaxis"]["ticktext"] == ["1", "1,000"]
    assert kl.data[0]["y"] == [2.0, 0.5]


def test_rate_and_distortion() -> None:
    points = {"kl_weight": [1.0, 4.0], "rate": [9.0, 5.0], "distortion": [20.0, 30.0]}
    for name in ("rate", "distortion"):
        points[f"{name}_low"] = [value - 1 for value in points[name]]
        points[f"{name}_high"] = [value + 2 for value in points[name]]
    curve = RateDistortion(points | {"negative_elbo": [29.0, 35.0]}, {"steps": 3000, "num_real": 9})
    bound, line = rate_distortion.figure(curve).data
    assert (bound["x"], bound["y"], bound["name"]) == ([5.0, 9.0], [24.0, 20.0], "sum 29.0")
    assert (line["x"], line["y"], line["text"]) == ([9.0, 5.0], [20.0, 30.0], ["1", "4"])
    assert (line["error_x"]["array"], line["error_x"]["arrayminus"]) == ([2.0] * 2, [1.0] * 2)


@pytest.mark.parametrize(
    ("shape", "width", "crisp"),
    [((8, 8, 1), 213, True), ((32, 32, 3), 263, True), ((64, 64, 3), 264, False)],
)
def test_grids_fit_whole_pixels_into_a_column(
    shape: tuple[int, ...], width: int, crisp: bool
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (70, *shape), np.uint8)
    picture = pictures.grid(images)
    assert (picture.count, picture.width, picture.crisp) == (64, width, crisp)
    canvas = arrays.grid(images[:64], columns=8)
    np.testing.assert_array_equal(decode(picture.source), np.squeeze(canvas))


def test_asked_classes_have_a_row_each() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 2, 1), np.uint8)
    canvas = decode(pictures.by_class(images, np.array([7, 2, 7, 7, 2])).source)
    assert canvas.shape == (5, 8)  # two rows of three images of 2 x 2 with gaps of 1
    assert canvas[::3, ::3].tolist() == [[1, 4, 255], [0, 2, 3]]


def test_thumbnails_of_large_colour_images_are_small() -> None:
    large = np.zeros((5, 56, 112, 3), np.uint8)
    large[4] = 200
    thumbnails = pictures.thumbnails(large)
    assert thumbnails[1:] == (3, 28, 14)
    assert thumbnails.sheet.startswith("data:image/jpeg;base64,")
    sheet = decode(thumbnails.sheet)
    assert sheet.shape == (2 * 14, 3 * 28, 3)
    assert abs(int(sheet[20, 40, 0]) - 200) < 6  # the fifth is in the second row, second column
    assert sheet[5, 40, 0] < 6


@pytest.mark.parametrize(("channels", "kind"), [(1, "png"), (3, "jpeg")])
def test_growth_is_thinned_to_its_budget(tmp_path: Path, channels: int, kind: str) -> None:
    path = tmp_path / "samples_000001.png"
    arrays.write_png(path, np.random.default_rng(0).integers(0, 256, (40, 40, channels), np.uint8))
    grids = [(step, path) for step in range(1, 9)]
    (whole,) = pictures.progress(grids[:1], 0)
    assert whole.source.startswith(f"data:image/{kind};")
    size = len(base64.b64decode(whole.source.partition(",")[2]))
    for budget, steps in ((8 * size, [*range(1, 9)]), (4 * size, [2, 4, 6, 8]), (0, [8])):
        assert [picture.step for picture in pictures.progress(grids, budget)] == steps


@pytest.mark.parametrize(
    ("written", "text"),
    [
        *((pages.significant(value), text) for value, text in (
            (0.0, "0"), (12.345, "12.3"), (9.996, "10.0"), (999.6, "1,000"), (12345.6, "12,346"),
            (0.0094, "0.00940"), (1e-7, "1.00e-07"), (-3.14159, "-3.14"))),
        *((pages.duration(value), text) for value, text in (
            (12.34, "12.3 s"), (59.7, "1 min 00 s"), (125, "2 min 05 s"), (7290, "2 h 01 min"))),
        (pages.readable("class_frechet_distance_mean"), "Class Fréchet distance mean"),
        (pages.readable("kl_of_dimension"), "KL of dimension"),
        (pages.readable("few_labels/gain"), "Few labels, gain"),
    ],
)  # fmt: skip
def test_numbers_and_names_as_text(written: str, text: str) -> None:
    assert written == text
