"""Beside the page of all models: a page and a card of each, a page of any runs, and how the pages are made again."""

import dataclasses
import html
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tracking_workspace
from report_workspace import (
    KINDS,
    Page,
    places,
    read_json,
    render,
    row,
    set_score,
    write_json,
    write_outputs,
)

from genlab import cli, pages, report, tracking
from genlab.imaging import arrays
from genlab.report import card, comparison, pictures, reproduction, scatter, words
from genlab.runtime.errors import InputError
from genlab.tracking import Fetched

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the reports."""
    root = tmp_path_factory.mktemp("pages")
    write_outputs(root)
    (root / "reports" / "data_docs").mkdir(parents=True)
    (root / "reports" / "data_docs" / "index.html").touch()
    write_curve(root)
    render(root)
    return root / "reports"


@pytest.fixture
def laboratory(tmp_path: Path) -> Path:
    """The outputs of three models, as the other stages write them."""
    write_outputs(tmp_path)
    return tmp_path


def write_curve(root: Path) -> None:
    fields = [
        f"{name}{end}"
        for name in ("rate", "distortion", "negative_elbo")
        for end in ("", "_low", "_high")
    ]
    rows = [[1, 9, 8, 10, 20, 19, 21, 29, 28, 30], [4, 5, 4, 6, 30, 29, 31, 35, 34, 36]]
    text = "\n".join(
        [",".join(["kl_weight", *fields]), *(",".join(map(str, numbers)) for numbers in rows)]
    )
    (root / "rate_distortion").mkdir()
    (root / "rate_distortion" / "rate_distortion.csv").write_text(text + "\n")
    facts = {
        "model": "vae",
        "data": "toy",
        "steps": 3000,
        "num_real": 360,
        "split": "test",
        "intervals": "95 %",
    }
    write_json(root / "rate_distortion" / "rate_distortion.json", facts)


def page_of(folder: Path, name: str) -> str:
    return (folder / "models" / f"{name}.html").read_text(encoding="utf-8")


def test_every_model_has_a_page_and_a_card_and_links_lead_to_files(unchanged: Path) -> None:
    found = sorted(path.name for path in (unchanged / "models").iterdir())
    assert found == sorted(f"{name}.{ending}" for name in KINDS for ending in ("html", "md"))
    for path in (unchanged / "index.html", *(unchanged / "models").glob("*.html")):
        links = [link["href"] or "" for link in Page(path.read_text(encoding="utf-8")).all("a")]
        local = [link for link in links if not link.startswith(("#", "https://"))]
        assert len(local) >= len(KINDS)
        assert [link for link in local if not (path.parent / link).is_file()] == []
    index = (unchanged / "index.html").read_text(encoding="utf-8")
    assert 'href="data_docs/index.html"' in index
    assert row(index, "Page") == ["ae", "vae", "gan"]


def test_page_of_a_model_that_left_goes(laboratory: Path) -> None:
    render(laboratory)
    render(laboratory, "gan")
    assert sorted(path.name for path in (laboratory / "reports" / "models").iterdir()) == [
        "gan.html",
        "gan.md",
    ]


def test_pages_need_nothing_from_outside_and_are_accessible(unchanged: Path) -> None:
    for name in KINDS:
        text = page_of(unchanged, name)
        page = Page(text)
        assert all(
            (image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img")
        )
        assert all("src" not in script for script in page.all("script"))
        assert all(image.get("alt") for image in page.all("img"))
        assert all(cell.get("scope") for cell in page.all("th"))
        assert all(
            slider.get("aria-label") for slider in page.all("input") if slider["type"] == "range"
        )
        assert len([tag for tag, _ in page.tags if tag == "h1"]) == 1
        assert "default-src 'none'" in str(page.all("meta"))


def test_equal_inputs_give_equal_pages(unchanged: Path, laboratory: Path) -> None:
    (laboratory / "reports" / "data_docs").mkdir(parents=True)
    (laboratory / "reports" / "data_docs" / "index.html").touch()
    write_curve(laboratory)
    render(laboratory)
    for path in (laboratory / "reports" / "models").iterdir():
        assert path.read_bytes() == (unchanged / "models" / path.name).read_bytes()


def test_page_of_a_model_says_where_it_stands(unchanged: Path) -> None:
    vae, gan = Page(page_of(unchanged, "vae")).text, Page(page_of(unchanged, "gan")).text
    assert "Fréchet distance 31.3 (13 times the floor, weak); gan is better." in vae
    assert (
        "Error 0.00940 per pixel (60 % below PCA of the same latent size), the best of 2 models."
        in vae
    )
    assert "Weak: vae Prior samples are far from the data (13 times the floor)." in vae
    assert "Weak: gan" not in vae
    assert "Fréchet distance 12.3 (4.9 times the floor), the best of 2 models." in gan
    assert (
        "test/reconstruction/negative_elbo 101.3 nats per image, ↓ lower is better encoder seed 7 split test"
        in vae
    )
    assert "kl_weight" not in gan


def test_unused_latents_are_called_weak(laboratory: Path) -> None:
    set_score(laboratory, "vae", "test/reconstruction/active_units", value=2.0, direction="none")
    assert "only 2 of 5 latent dimensions are in use" in Page(render(laboratory)).text
    set_score(laboratory, "vae", "test/reconstruction/active_units", value=3.0, direction="none")
    assert "latent dimensions are in use" not in Page(render(laboratory)).text


def test_paths_say_what_they_lead_from_and_how(unchanged: Path) -> None:
    index = Page((unchanged / "index.html").read_text(encoding="utf-8"))
    alts = [image["alt"] or "" for image in index.all("img")]
    assert (
        "4 images by vae from one & only, test image 0 to お, test image 2, spherical. Outermost: the originals."
        in alts
    )
    assert (
        "Spherical, on the arc between both, since the prior is normal; test images stand at both ends."
        in index.text
    )
    assert (
        "Linear, on the straight line between both; no encoder: between two draws from the prior."
        in index.text
    )


def test_traversals_are_by_strength_and_say_of_how_many(unchanged: Path) -> None:
    text = page_of(unchanged, "vae")
    assert "All 5 dimensions, by KL, nats per image, the largest first." in Page(text).text
    dimensions = text.split("<li><canvas")[1:]
    assert ["Dimension 4" in dimensions[0], "Dimension 0" in dimensions[4]] == [True, True]


def test_sheets_hold_the_images_without_gaps() -> None:
    some = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 1), np.uint8)
    decoded = _decode(pictures.sheet(some))
    assert decoded.shape == (2 * 4, 3 * 5)
    np.testing.assert_array_equal(decoded[4:8, 10:15], some[1, 2, ..., 0])


def test_thumbnails_of_large_colour_images_are_small() -> None:
    large = np.zeros((5, 56, 112, 3), np.uint8)
    large[4] = 200
    source, columns, size = pictures.thumbnails(large)
    assert (columns, size) == (3, (28, 14))
    assert source.startswith("data:image/jpeg;base64,")
    decoded = _decode(source)
    assert decoded.shape == (2 * 14, 3 * 28, 3)
    assert abs(int(decoded[20, 40, 0]) - 200) < 6  # the fifth is in the second row, second column
    assert decoded[5, 40, 0] < 6


def _decode(source: str) -> np.ndarray:
    import base64
    import io

    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("size", "axes"), [(2, ["dimension 0", "dimension 1", ""]), (5, ["component 1"])]
)
def test_points_in_space(size: int, axes: list[str]) -> None:
    points = np.zeros((10, size))
    points[:, 0] = np.arange(10)
    shown, names, how = scatter._in_space(points)
    assert (shown.shape, names[: len(axes)]) == ((10, 3), axes)
    if size > 3:
        np.testing.assert_allclose(np.abs(shown[:, 0]), np.abs(np.arange(10) - 4.5), atol=1e-9)
        assert (
            how == "First three principal components of 5 latent dimensions, 100% of their variance"
        )


def test_rate_and_distortion_where_there_is_a_curve(unchanged: Path, laboratory: Path) -> None:
    text = (unchanged / "index.html").read_text(encoding="utf-8")
    assert "weight 1: rate 9, distortion 20, weight 4: rate 5, distortion 30." in text
    assert "vae on toy, 3,000 steps each" in text
    assert 'id="rate-distortion"' not in render(laboratory)
    (laboratory / "rate_distortion").mkdir()
    (laboratory / "rate_distortion" / "rate_distortion.csv").write_text("kl_weight\nhigh\n")
    with pytest.raises(InputError, match="must be a table of numbers"):
        render(laboratory)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", "MSE"),
        ("negative_elbo", "Negative ELBO"),
        ("kl_of_dimension", "KL of dimension"),
        ("class_frechet_distance_mean", "Class Fréchet distance mean"),
        ("few_labels/gain", "Few labels, gain"),
    ],
)
def test_names_of_metrics_are_read_as_words(name: str, expected: str) -> None:
    assert pages.readable(name) == expected


def test_validation_in_words() -> None:
    good, warned, failed = (
        {"success": True},
        {"success": False, "severity": "warning"},
        {"severity": "critical"},
    )
    assert words.validation([good, good]) == "2 of 2 checks passed."
    assert words.validation([good, warned, failed]) == "1 of 3 checks passed; 1 warned; 1 failed."


def test_card_says_what_one_must_know(unchanged: Path) -> None:
    text = (unchanged / "models" / "vae.md").read_text(encoding="utf-8")
    for part in (
        "# Model card: vae on toy <&> set",
        "Variational autoencoder: an encoder to a normal posterior, a decoder from a standard normal prior.",
        "to draw images from its prior, draw images from the fitted density, encode images",
        "- Licence: CC0, https://example.org/licence",
        "| latent_dim | 5 |",
        "| `test/reconstruction/psnr` | 20.27 | – | dB, ↑ higher is better | encoder |",
        "| 31.27 | 30.77 to 31.77 |",
        "- Prior samples are far from the data (13 times the floor).",
        'model = genlab.load("models/vae")',
        'Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014',
    ):
        assert part in text, part
    assert "test/pca/mse" not in text  # a reference, none of its scores
    assert "--source fitted" in (unchanged / "models" / "ae.md").read_text(encoding="utf-8")


def test_every_chapter_names_its_paper() -> None:
    for kind, paper in (("autoencoder", "Hinton"), ("vae", "Kingma"), ("gan", "Goodfellow")):
        assert card.chapter_of(kind)[1].startswith(paper)
    with pytest.raises(InputError, match=r"no file nothing\.py"):
        card.chapter_of("nothing")


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=one", "-c", "user.email=one@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def test_revision_tells_what_differs_from_the_commit(workplace: Path) -> None:
    assert reproduction.revision() == reproduction.Revision()
    (workplace / "params.yaml").write_text(
        "seed: 0\nmodels: {vae: {kl_weight: 1.0, widths: [5]}}\nold: 1\n"
    )
    (workplace / "code.py").touch()
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    found = reproduction.revision()
    assert (len(found.commit), found.is_clean, found.overrides) == (40, True, ())
    (workplace / "params.yaml").write_text(
        "seed: 0\nmodels: {vae: {kl_weight: 2.0, widths: [5]}}\nnew: true\n"
    )
    found = reproduction.revision()
    assert (found.is_clean, found.overrides) == (
        True,
        ("models.vae.kl_weight=2.0", "+new=true", "~old"),
    )
    (workplace / "code.py").write_text("changed")
    assert not reproduction.revision().is_clean
    assert "plus changes of the code" in reproduction.revision().sentence()


def fetched(name: str, **changes: object) -> Fetched:
    score = {
        "value": 3.0,
        "interval": None,
        "direction": "lower",
        "unit": "",
        "method": "samples",
        "floor": {},
    }
    score |= {"protocol": {"split": "test", "num_real": 2000}}
    png = pictures._png(arrays.grid(np.zeros((4, 8, 8, 1), np.uint8)))
    run = Fetched(
        run_id="a" * 32, name=name, model="vae", kind="vae", tags={"genlab.data_hash": "d" * 64},
        params={"model.kl_weight": "1.0", "seed": "0"}, scores={"metrics": {"test/prior/frechet_distance": score}},
        history={"train/loss": ([1, 2], [5.0, 4.0])}, pictures={"prior_samples": png}, url="",
    )  # fmt: skip
    return dataclasses.replace(run, **changes)  # type: ignore[arg-type]


def test_runs_are_compared_and_what_differs_is_told() -> None:
    one = fetched("first <run>")
    text = comparison.render(
        [one, fetched("second", run_id="b" * 32, params={"model.kl_weight": "2.0", "seed": "0"})]
    )
    assert html.escape("first <run>") in text
    assert "first <run>" not in text.replace('"first \\u003crun\\u003e', "")
    differing = Page(text).text.split("Parameters that differ")[-1].split("Numbers")[0]
    assert "model.kl_weight 1.0 2.0" in differing
    assert "seed" not in differing
    assert row(text, "Fréchet distance") == ["3.000 best", "3.000 best"]
    assert text.count('class="plate"') == 2


@pytest.mark.parametrize(
    ("change", "words_"),
    [({"genlab.data_hash": "e" * 64}, "data is"), ({}, "data is unknown")],
)
def test_runs_on_other_data_are_not_compared(change: dict[str, str], words_: str) -> None:
    text = comparison.render(
        [fetched("one"), fetched("two", run_id="b" * 32), fetched("three", tags=change)]
    )
    cells = row(text, "Fréchet distance")
    assert cells[:2] == ["3.000 best"] * 2
    assert words_ in cells[2]
    assert "measured by another protocol" in cells[2]


def test_runs_without_scores_and_of_equal_names() -> None:
    text = comparison.render(
        [fetched("same", scores={}), fetched("same", run_id="b" * 32, scores={}, history={})]
    )
    assert "None of these runs holds scores" in text
    assert "same aaaaaaaa" in text
    assert "same bbbbbbbb" in text


def test_runs_are_fetched_by_id_name_and_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    root = tracking_workspace.enter(monkeypatch, tmp_path)
    for index, weight in enumerate((1.0, 2.0)):
        with tracking_workspace.training(
            training_id=f"t{index}",
            train_key=f"k{index}",
            run_name=f"run {index}",
            params={"kl_weight": weight},
        ) as run:
            run.log_metrics({"train/loss": 5.0, "system/cpu_utilization_percentage": 90.0}, step=1)
            run.log_metrics({"train/loss": 4.0, "system/cpu_utilization_percentage": 95.0}, step=2)
    write_json(root / "scores" / "scores.json", fetched("x").scores)
    with tracking_workspace.scoring(train_key="k0") as run:
        run.log_artifact(root / "scores", "scores")
        run.log_artifact(tracking_workspace.picture(root), "evaluation")
    by_name, by_model = tracking.fetch(["run 1", "vae"])
    assert (by_name.params["kl_weight"], by_name.history) == (
        "2.0",
        {"train/loss": ([1, 2], [5.0, 4.0])},
    )
    assert by_model.name == "run 0"  # the newest that has scores
    assert by_model.scores == fetched("x").scores
    assert [*by_model.pictures] == ["grid"]
    assert [run.name for run in tracking.fetch([by_name.run_id, by_name.run_id[:8]])] == ["run 1"]
    done = CliRunner().invoke(
        cli.main, ["report", "--runs", "run 0, run 1", "--out", "compared/page.html"]
    )
    assert done.exit_code == 0, done.output
    assert "2 runs compared" in (root / "compared" / "page.html").read_text(encoding="utf-8")
    done = CliRunner().invoke(cli.main, ["report", "--runs", "run 0,nobody", "--out", "other.html"])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "Received: 'nobody'. There are: run 0, run 1" in done.stderr
    assert not (root / "other.html").exists()


def test_stage_without_its_paths_says_which_is_missing() -> None:
    from click.testing import CliRunner

    done = CliRunner().invoke(cli.main, ["report", "--out", "page.html"])
    assert done.exit_code == 2
    assert "Missing option '--models'" in done.stderr


def test_run_of_each_model_gets_its_pages(
    laboratory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from report_workspace import params_of

    tracking_workspace.enter(monkeypatch, laboratory)
    path = laboratory / "scores" / "gan" / "scores.json"
    write_json(path, read_json(path))
    report.run(params_of("gan"), **places(laboratory))
    (run,) = tracking_workspace.runs()
    assert tracking_workspace.artifacts(run, "report") == ["report/index.html", "report/models"]
    assert tracking_workspace.artifacts(run, "report/models") == [
        "report/models/gan.html",
        "report/models/gan.md",
    ]
