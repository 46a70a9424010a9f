"""The stage `report`: the page says what the files say, needs nothing from outside, and its bytes are stable."""

import base64
import html
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from report_workspace import (
    INVERSION,
    KINDS,
    NO_ENCODER,
    NO_PRIOR,
    Page,
    read_json,
    render,
    row,
    set_score,
    write_json,
    write_outputs,
)

from genlab.imaging import arrays
from genlab.measurement import comparison
from genlab.report import curves, pictures, table
from genlab.runtime.errors import InputError


@pytest.fixture
def laboratory(tmp_path: Path) -> Path:
    """The outputs of three models, as the other stages write them."""
    write_outputs(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of these outputs."""
    root = tmp_path_factory.mktemp("unchanged")
    write_outputs(root)
    return render(root)


def test_page_needs_nothing_from_outside(unchanged: str) -> None:
    page = Page(unchanged)
    assert all(
        (image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img")
    )
    assert all("src" not in script for script in page.all("script"))
    assert all((link["href"] or "").startswith("data:") for link in page.all("link"))
    assert not {"iframe", "object", "embed", "video", "base"} & {tag for tag, _ in page.tags}
    assert "url(" not in unchanged
    assert "@import" not in unchanged
    outside = [link["href"] for link in page.all("a") if not (link["href"] or "").startswith("#")]
    own = [f"models/{name}.html" for name in KINDS]
    assert [link for link in outside if link not in own] == ["https://example.org/licence"]
    assert "/unchanged0" not in unchanged  # the folder that the page was made from


def test_page_is_accessible(unchanged: str) -> None:
    page = Page(unchanged)
    assert all(image.get("alt") for image in page.all("img"))
    assert all(cell.get("scope") for cell in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"
    assert [tag for tag, _ in page.tags if tag == "h1"] == ["h1"]
    identifiers = {attributes.get("id") for _, attributes in page.tags}
    assert {
        (link["href"] or "")[1:] for link in page.all("a") if (link["href"] or "").startswith("#")
    } <= identifiers


def test_pictures_say_what_they_are(unchanged: str) -> None:
    alts = [image["alt"] or "" for image in Page(unchanged).all("img")]
    assert (
        sum("original test images" in alt for alt in alts) == 4
    )  # the originals, and each reconstruction of them
    for name in KINDS:
        assert (
            f"64 reconstructions by {name} of the original test images, in the same order" in alts
        )
    assert "64 samples from the prior of gan, made without any input image" in alts
    assert "64 samples from the fitted density of ae, made without any input image" in alts
    assert not any(
        "samples from the prior of ae" in alt or "fitted density of gan" in alt for alt in alts
    )
    plates = re.findall(r'<figure class="plate.*?</figure>', unchanged, re.S)
    tags = [re.findall(r'class="tag">([^<]+)<', plate)[0] for plate in plates]
    assert tags == [
        "Original",
        *["Reconstruction"] * 3,
        *["Prior sample"] * 3,
        *["Fitted-density sample"] * 3,
    ]
    assert NO_PRIOR in plates[4]
    assert html.escape(NO_ENCODER) in plates[9]
    assert [INVERSION in plate for plate in plates[1:4]] == [False, False, True]


def test_grids_hold_the_arrays_as_they_are(laboratory: Path) -> None:
    from PIL import Image

    array = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    picture = pictures.grid(array)
    (laboratory / "grid.png").write_bytes(base64.b64decode(picture.source.partition(",")[2]))
    with Image.open(laboratory / "grid.png") as image:
        np.testing.assert_array_equal(np.asarray(image), arrays.grid(array, columns=8)[..., 0])
    assert (picture.width, picture.crisp) == (71 * 3, True)


@pytest.mark.parametrize(
    ("shape", "count", "width", "crisp"),
    [
        ((28, 28, 1), 64, 231, True),
        ((32, 32, 3), 64, 263, True),
        ((64, 64, 3), 64, 264, False),
        ((96, 96, 3), 64, 264, False),
    ],
)
def test_grids_fit_whole_pixels_into_a_column(
    shape: tuple[int, ...], count: int, width: int, crisp: bool
) -> None:
    picture = pictures.grid(np.zeros((64, *shape), np.uint8))
    assert (picture.count, picture.width, picture.crisp) == (count, width, crisp)


def test_growth_is_in_order_of_step_and_thinned_to_its_budget(
    laboratory: Path, unchanged: str
) -> None:
    assert re.findall(r'data-step="(\d+)"', unchanged) == [
        "1",
        "100",
        "100",
        "1",
        "100",
        "100",
        "1",
        "100",
    ]
    files = sorted((laboratory / "models" / "vae" / "progress").glob("samples_*.png"))
    grids = [(step, files[0]) for step in range(1, 9)]
    size = files[0].stat().st_size
    assert [picture.step for picture in pictures.progress(grids, 8 * size)] == list(range(1, 9))
    assert [picture.step for picture in pictures.progress(grids, 4 * size)] == [2, 4, 6, 8]
    assert [picture.step for picture in pictures.progress(grids, 0)] == [8]


def test_numbers_of_the_table(unchanged: str) -> None:
    assert row(unchanged, "Fréchet distance, prior samples") == [
        f"– {NO_PRIOR}",
        "31.3 30.8 to 31.8 13 × floor, 2.50; halves of test: 2.70",
        "12.3 best 11.8 to 12.8 4.9 × floor, 2.50; halves of test: 2.70",
    ]
    assert row(unchanged, "Reconstruction MSE, all test images")[:2] == [
        "0.0313 40 % below PCA",
        "0.00940 best 60 % below PCA",
    ]
    assert row(unchanged, "PSNR, all test images") == ["– not measured", "20.27", "– not measured"]
    assert row(unchanged, "Negative ELBO, unweighted")[1] == "101.3"
    assert row(unchanged, "Reconstructions made by") == ["encoder", "encoder", INVERSION]
    assert row(unchanged, "Latent size") == ["3", "5", "8"]
    assert row(unchanged, "Parameters")[0] == "1,234,567"
    assert row(unchanged, "Training length") == ["5,000", "5,000", "1,500 stopped early, of 5,000"]
    assert row(unchanged, "Weights kept") == [
        "last step",
        "step 3,500: lowest validation negative elbo, 101",
        "last step",
    ]
    assert row(unchanged, "Precision") == ["float32"] * 3
    assert row(unchanged, "Training time")[1] == "2 min 05 s"
    assert row(unchanged, "Training speed")[1] == "25,313"
    assert row(unchanged, "Training time")[0].startswith("– no record")
    assert f'<abbr title="{NO_PRIOR}">' in unchanged
    assert f'<abbr title="{html.escape(NO_ENCODER)}">' in unchanged


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (12.345, "12.3"), (9.996, "10.0"), (999.6, "1,000"), (12345.6, "12,346"), (0.0094, "0.00940"),
     (1e-7, "1.00e-07"), (-3.14159, "-3.14")],
)  # fmt: skip
def test_significant_digits(value: float, text: str) -> None:
    assert table.significant(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (59.7, "1 min 00 s"), (125, "2 min 05 s"), (7290, "2 h 01 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert table.duration(seconds) == text


def test_summary_follows_the_numbers(laboratory: Path, unchanged: str) -> None:
    before = Page(unchanged).text
    assert (
        "gan has the smallest Fréchet distance, 12.3 (4.9 times the floor). Then vae 31.3 (13 times the floor, weak)."
        in before
    )
    assert (
        "ae has the smallest Fréchet distance, 18.2 (7.3 times the floor). Then vae 21.5" in before
    )
    assert (
        "vae has the smallest reconstruction error on all test images, 0.00940 per pixel (60 % below PCA with 5 comp"
        in before
    )
    assert "Weak: vae Prior samples are far from the data (13 times the floor)." in before
    assert "Weak: gan Prior samples neglect a class (the rarest has 0.42 of its share)." in before
    set_score(laboratory, "gan", "test/prior/frechet_distance", value=31.27)
    set_score(laboratory, "vae", "test/prior/frechet_distance", value=4.5)
    set_score(laboratory, "vae", "test/reconstruction/mse", value=0.047)
    after = Page(render(laboratory)).text
    assert (
        "vae has the smallest Fréchet distance, 4.50 (1.8 times the floor, near it). Then gan 31.3 (13 times"
        in after
    )
    assert (
        "ae has the smallest reconstruction error on all test images, 0.0313 per pixel (40 % below PCA with 3 comp"
        in after
    )
    assert (
        "Weak: vae Reconstructions are no better than those of PCA of the same latent size (100 % above it)."
        in after
    )
    assert "Too few test images" not in before + after


def test_few_test_images_forbid_a_ranking(laboratory: Path) -> None:
    path = laboratory / "images" / "dataset.json"
    description = read_json(path)
    description["num_images"]["test"] = 360
    write_json(path, description)
    text = render(laboratory)
    page = Page(text).text
    assert (
        "Too few test images to rank models by Fréchet distance: there are 360 real ones in 16 feature dimensions."
        in page
    )
    assert "bias dominates" in page
    assert "has the smallest Fréchet distance" not in page
    assert "Not ranked, because 360 real images are too few. Measured: gan 12.3" in page
    assert "best" not in " ".join(row(text, "Fréchet distance, prior samples"))
    assert "best" in row(text, "Reconstruction MSE, all test images")[1]


def test_another_protocol_is_refused_in_the_row_and_the_reason_given(
    laboratory: Path, unchanged: str
) -> None:
    assert row(unchanged, "Reconstruction MSE, common subset")[1:] == [
        "0.00950 best encoder",
        f"0.0412 {INVERSION}",
    ]
    assert (
        "vae has the smallest reconstruction error on the common subset, 0.00950 (encoder)."
        in Page(unchanged).text
    )
    protocol = {"split": "test", "seed": 8, "resize": "none"}
    set_score(laboratory, "vae", "test/reconstruction_subset/mse", protocol=protocol)
    text = render(laboratory)
    why = "measured by another protocol: resize is none, elsewhere missing; seed is 8, elsewhere 7"
    assert row(text, "Reconstruction MSE, common subset") == [
        "0.0311 best encoder",
        f"– {why}",
        f"0.0412 {INVERSION}",
    ]
    page = Page(text).text
    assert f"{why}: vae, Reconstruction MSE, common subset" in page
    assert (
        "ae has the smallest reconstruction error on the common subset, 0.0311 (encoder). Then gan 0.0412"
        in page
    )
    assert "seed ae: 7; vae: 8; gan: 7" in page
    assert comparison.differing({"a": {"seed": 1}, "b": {"seed": 1, "count": 2}}) == {
        "count": {"a": None, "b": 2}
    }


def test_overlapping_intervals_are_not_told_apart(laboratory: Path, unchanged: str) -> None:
    assert "best" not in row(unchanged, "Fréchet distance, prior samples")[1]
    set_score(laboratory, "vae", "test/prior/frechet_distance", interval=[12.8, 50.0])
    text = render(laboratory)
    assert all("best" in cell for cell in row(text, "Fréchet distance, prior samples")[1:])
    words = "gan 12.3 (4.9 times the floor) and vae 31.3 (13 times the floor, weak) are not told apart as to the "
    assert words + "smallest Fréchet distance: their intervals overlap." in Page(text).text
    set_score(laboratory, "vae", "test/prior/frechet_distance", interval=[12.9, 50.0])
    assert "best" not in row(render(laboratory), "Fréchet distance, prior samples")[1]


def test_of_two_protocols_the_first_models_stays(laboratory: Path) -> None:
    set_score(
        laboratory, "gan", "test/prior/frechet_distance", protocol={"split": "test", "seed": 8}
    )
    found = row(render(laboratory), "Fréchet distance, prior samples")
    assert found[1:] == [
        "31.3 30.8 to 31.8 13 × floor, 2.50; halves of test: 2.70",
        "– measured by another protocol: seed is 8, elsewhere 7",
    ]


def test_closest_pairs_have_a_row_of_their_own(laboratory: Path) -> None:
    path = laboratory / "evaluation" / "gan" / "pictures.npz"
    with np.load(path) as arrays:
        drawn = dict(arrays)
    np.savez(path, **drawn, closest_pairs=drawn["originals"][:32])  # type: ignore[arg-type]
    page = Page(render(laboratory))
    assert "Samples nearest to a train image" in page.text
    assert "32 images in pairs: a sample of gan, and the train image nearest to it" in str(
        page.all("img")
    )


def test_everything_that_was_measured_is_in_a_table_of_its_own(
    laboratory: Path, unchanged: str
) -> None:
    assert "Shiny new number" not in unchanged
    set_score(
        laboratory,
        "vae",
        "test/prior/shiny_new_number",
        value=0.123456,
        interval=[0.1, 0.2],
        unit="glints",
    )
    assert row(render(laboratory), "Shiny new number") == [
        "– not measured",
        "0.1235 0.1000 to 0.2000",
        "– not measured",
    ]


def test_value_that_is_not_finite_is_missing(laboratory: Path) -> None:
    set_score(laboratory, "gan", "test/prior/frechet_distance", value=float("nan"))
    assert row(render(laboratory), "Fréchet distance, prior samples")[1:] == [
        "31.3 30.8 to 31.8 13 × floor, 2.50; halves of test: 2.70",
        "– the value is not finite",
    ]


def test_times_of_another_training_are_not_shown(laboratory: Path, unchanged: str) -> None:
    assert "2 min 05 s" in row(unchanged, "Training time")
    path = laboratory / "timings" / "vae.json"
    write_json(path, read_json(path) | {"train_key": "another"})
    assert "2 min 05 s" not in render(laboratory)


def test_names_and_texts_are_escaped(laboratory: Path, unchanged: str) -> None:
    assert "toy &lt;&amp;&gt; set" in unchanged
    assert "toy <&> set" not in unchanged
    assert "Numbers stand for classes in the figures: 2 is お." in unchanged
    write_json(
        laboratory / "timings" / "vae.json",
        {"run_url": "javascript:alert(1)", "device": "<script>x", "train_key": "key-vae"},
    )
    write_json(
        laboratory / "timings" / "gan.json",
        {"run_url": "http://127.0.0.1:5000/#/runs/1", "train_key": "key-gan"},
    )
    text = render(laboratory, "gan", "vae")
    assert "javascript:" not in text
    assert row(text, "Device")[1] == "&lt;script&gt;x"
    assert '<a href="http://127.0.0.1:5000/#/runs/1">open</a>' in text


def test_removed_model_leaves_and_order_is_that_of_the_parameters(laboratory: Path) -> None:
    text = render(laboratory, "gan", "vae")
    assert row(text, "Kind") == ["gan", "vae"]
    assert "key-ae" not in text
    assert "key-gan" in text


def test_equal_inputs_give_equal_bytes(laboratory: Path, unchanged: str) -> None:
    assert render(laboratory) == unchanged
    assert "Matplotlib" not in str(
        base64.b64decode(unchanged.split('class="chart"')[1].split("base64,")[1].split('"')[0])[
            :200
        ]
    )


def test_data_and_protocol_are_told(unchanged: str) -> None:
    page = Page(unchanged).text
    for words in ("train 9,000, validation 1,000, test 2,000", "test accuracy 98.77%", "cd" * 32, "Someone, 1998",
                  "1 of 2 checks passed", "✗ failed", "seed 7 split test", "12,000", "8 × 8 × 1",
                  "dvc exp run -S data.name=toy -S profile=default -S seed=7"):  # fmt: skip
        assert words in page, words


def remove(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


def write(path: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / path).write_text(text)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove("models/vae/settings.json"), "must be written by the stage train. Received: no such file. "
         "Run: dvc repro train@vae."),
        (remove("models/vae/history.csv"), "no such file. Run: dvc repro train@vae."),
        (remove("scores/gan/scores.json"), "no such file. Run: dvc repro evaluate@gan."),
        (remove("evaluation/ae/pictures.npz"), "no such file. Run: dvc repro evaluate@ae."),
        (remove("features/metrics.json"), "no such file. Run: dvc repro features."),
        (remove("images/dataset.json"), "no such file. Run: dvc repro fetch."),
        (remove("validation.json"), "no such file. Run: dvc repro validate."),
        (write("evaluation/ae/latents.npz", "not numpy"), "must be written by the stage evaluate. Received: "),
        (write("scores/gan/scores.json", "{"), "Run: dvc repro evaluate@gan."),
        (write("scores/gan/scores.json", "[1]"), "must be a mapping with metrics. Received: [1]."),
        (write("scores/gan/scores.json", '{"metrics": {}, "train_key": "old"}'), "key-gan. Received: train_key=old."),
        (write("models/vae/history.csv", "step,train/loss\n1,high\n"), "must be a table of numbers. Received: "),
        (write("models/vae/history.csv", ""), "must be a table with the column step. Received: no rows."),
    ],
)  # fmt: skip
def test_bad_files_give_one_line(
    laboratory: Path, change: Callable[[Path], None], words: str
) -> None:
    change(laboratory)
    with pytest.raises(InputError) as error:
        render(laboratory)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (laboratory / "reports").exists()


def test_first_steps_do_not_squash_the_curves() -> None:
    steps = np.arange(1, 1001)
    spiked = np.where(steps < 5, 50.0, 10 + np.sin(steps))
    note, scale, limits = curves.scale([(steps, spiked)])
    assert (note, scale) == ("4 of 1,000 values lie off the scale", "linear")
    assert limits is not None
    assert 8 < limits[0] < 9.1
    assert 10.9 < limits[1] < 12
    assert curves.scale([(steps, 1e-3 * steps.astype(float))])[1] == "log"
    assert curves.scale([(steps, np.sin(steps / 300))]) == ("", "linear", None)
    assert curves.scale([(steps[:1], np.array([0.0]))]) == ("", "linear", None)


def test_curves_join_splits_and_numbered_columns(laboratory: Path) -> None:
    path = laboratory / "models" / "vae" / "history.csv"
    path.write_text(
        "step,train/kl,validation/kl,validation/kl_of_dimension_0,validation/kl_of_dimension_1\n1,2,3,1,2\n2,1,2,0.5,1\n"
    )
    text = render(laboratory, "vae")
    titles = re.findall(
        r'<figure class="chart"[^>]*><figcaption>([^<]+)', text.split('id="curves"')[1]
    )
    assert [title.strip() for title in titles] == ["KL", "KL of dimension"]
    assert (
        "train from 2 at step 1 to 1 at step 2, validation from 3 at step 1 to 2 at step 2" in text
    )


@pytest.mark.parametrize(
    ("latent_dim", "title"),
    [(1, "First two principal components of 1 latent dimensions"), (2, "Both latent dimensions"),
     (3, "All three latent dimensions, in projection"),
     (4, "First two principal components of 4 latent dimensions, 100% of their variance")],
)  # fmt: skip
def test_scatter_says_which_axes_it_shows(laboratory: Path, latent_dim: int, title: str) -> None:
    points = np.zeros((30, latent_dim), np.float32)
    points[:, : min(latent_dim, 2)] = np.random.default_rng(0).standard_normal(
        (30, min(latent_dim, 2))
    )
    np.savez(
        laboratory / "evaluation" / "vae" / "latents.npz", latents=points, labels=np.full(30, -1)
    )
    assert title in render(laboratory, "vae")


def test_plots_for_dvc(laboratory: Path) -> None:
    plots = laboratory / "plots"
    (plots / "pictures" / "removed").mkdir(parents=True)
    render(laboratory, "gan", "vae")
    lines = (plots / "curves.csv").read_text().splitlines()
    assert lines[:2] == ["model,quantity,split,step,value", "gan,loss,train,1,900.0"]
    assert len(lines) == 1 + 2 * 5
    assert "vae,loss,validation,150,95.0" in lines
    found = sorted(str(path.relative_to(plots)) for path in plots.rglob("*.png"))
    assert len(found) == 5
    assert found[0] == "pictures/gan/samples_000001.png"
    assert not (plots / "pictures" / "removed").exists()


def test_data_without_labels(laboratory: Path) -> None:
    path = laboratory / "images" / "dataset.json"
    write_json(path, read_json(path) | {"class_names": []})
    for name in KINDS:
        (laboratory / "evaluation" / name / "class_histogram.npz").unlink()
    text = render(laboratory)
    assert "without labels" in text
    assert "Classes of samples" not in text


def test_tensorflow_is_not_imported(laboratory: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import report_workspace;"
        "report_workspace.render(Path(sys.argv[2]), 'gan');"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'great_expectations', 'matplotlib.pyplot'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parents[1] / "helpers"), str(laboratory)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
