"""What each page says, as one stored outline per page; and what holds for every page.

After a wanted change write the outlines again, and read their difference before a commit:

    RENEW_SNAPSHOTS=1 pytest tests/report && git diff tests/report/snapshots
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import report_workspace as lab
import tracking_workspace
from report_workspace import KINDS, Page, change_json, render, row, set_score

from genlab.stages import report

SNAPSHOTS = Path(__file__).parent / "snapshots"
PAGES = ("index", *(f"pages/{name}" for name in KINDS))


def read(rendered: Path, name: str) -> str:
    return (rendered / name).read_text(encoding="utf-8")


def assert_as_stored(name: str, text: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("RENEW_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"see {Path(__file__).name}, first lines"


@pytest.mark.parametrize("name", PAGES)
def test_page_says_what_is_stored(rendered: Path, name: str) -> None:
    assert_as_stored(Path(name).name, Page(read(rendered, f"{name}.html")).outline())


def test_card_says_what_is_stored(rendered: Path) -> None:
    assert_as_stored("vae_card", read(rendered, "pages/vae.md"))


@pytest.mark.parametrize("name", PAGES)
def test_page_needs_nothing_from_outside_and_is_accessible(rendered: Path, name: str) -> None:
    text = read(rendered, f"{name}.html")
    page = Page(text)
    assert all((image["src"] or "").startswith("data:image/") for image in page.all("img"))
    assert all("src" not in script for script in page.all("script"))
    assert not {"iframe", "object", "embed", "video", "base"} & {tag for tag, _ in page.tags}
    assert "default-src 'none'" in str(page.all("meta"))
    assert "url(" not in text
    assert all(image.get("alt") for image in page.all("img"))
    assert all(cell.get("scope") for cell in page.all("th"))
    plots = [div for div in page.all("div") if "plot" in (div.get("class") or "").split()]
    sliders = [slider for slider in page.all("input") if slider["type"] == "range"]
    assert all(element.get("aria-label") for element in plots + sliders)
    assert len(page.all("h1")) == 1
    assert str(rendered) not in text
    links = [link["href"] or "" for link in page.all("a")]
    identifiers = {f"#{attributes.get('id')}" for _, attributes in page.tags}
    assert {link for link in links if link.startswith("#")} <= identifiers
    local = [link for link in links if not link.startswith(("#", "https://example.org"))]
    folder = (rendered / name).parent
    assert len(local) >= len(KINDS)
    assert [link for link in local if not (folder / link).is_file()] == []


def test_equal_inputs_give_equal_bytes(rendered: Path) -> None:
    files = [rendered / "index.html", *(rendered / "pages").iterdir()]
    before = {path: path.read_bytes() for path in files}
    assert len(before) == 1 + 2 * len(KINDS)
    render(rendered)
    assert {path: path.read_bytes() for path in files} == before


def test_names_and_texts_are_escaped(laboratory: Path) -> None:
    bad = {"run_url": "javascript:alert(1)", "device": "<script>x", "train_key": "key-vae"}
    change_json(laboratory / "timings" / "vae.json", **bad)
    good = {"run_url": "http://127.0.0.1:5000/#/runs/1", "train_key": "key-gan"}
    (laboratory / "timings" / "gan.json").write_text(json.dumps(good))
    text = render(laboratory, "gan", "vae")
    assert "toy &lt;&amp;&gt; set" in text
    assert "toy <&> set" not in text
    assert '<abbr title="a GAN has no &lt;encoder&gt;">' in text
    assert "javascript:" not in text
    assert row(text, "Device")[1] == "&lt;script&gt;x"
    assert f'<a href="{good["run_url"]}">open</a>' in text


def test_removed_model_leaves_and_order_is_that_of_the_parameters(laboratory: Path) -> None:
    plots = laboratory / "plots"
    (plots / "pictures" / "removed").mkdir(parents=True)
    render(laboratory)
    text = render(laboratory, "gan", "vae")
    assert row(text, "Kind") == ["gan", "vae"]
    assert "key-ae" not in text
    files = sorted(path.name for path in (laboratory / "pages").iterdir())
    assert files == ["gan.html", "gan.md", "vae.html", "vae.md"]
    lines = (plots / "curves.csv").read_text().splitlines()
    assert lines[:2] == ["model,quantity,split,step,value", "gan,loss,train,1,900.0"]
    assert lines[-1] == "vae,loss,validation,150,95.0"
    assert len(lines) == 1 + 2 * 5
    pictures = sorted(str(path.relative_to(plots)) for path in plots.rglob("*.png"))
    assert (len(pictures), pictures[0]) == (5, "pictures/gan/samples_000001.png")
    assert not (plots / "pictures" / "removed").exists()


def test_what_is_missing_has_a_reason(laboratory: Path) -> None:
    changes = {"image_shape": [8, 8, 3], "class_names": []}
    sizes = {"train": 9000, "validation": 1000, "test": 360}
    change_json(laboratory / "images" / "dataset.json", num_images=sizes, **changes)
    change_json(laboratory / "timings" / "vae.json", train_key="another")
    span = {"value": 0.123456, "interval": [0.1, 0.2]}
    set_score(laboratory, "vae", "test/prior/shiny_new_number", **span)
    set_score(laboratory, "gan", "test/prior/frechet_distance", value=float("nan"))
    for path in laboratory.glob("evaluation/*/class_histogram.npz"):
        path.unlink()
    text, missing = render(laboratory), "– not measured"
    assert "there are 360 real ones in 16 feature dimensions" in Page(text).text
    assert "without labels" in text
    assert "Classes of samples" not in text
    assert "2 min 05 s" not in text
    assert row(text, "Shiny new number") == [missing, "0.1235 0.1000 to 0.2000", missing]
    assert row(text, "Fréchet distance, prior samples")[2] == "– the value is not finite"
    assert row(text, "Fréchet Inception distance, prior samples") == [missing] * 3


def test_run_of_each_model_gets_its_pages(
    laboratory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking_workspace.enter(monkeypatch, laboratory)
    report.run(lab.params_of("gan"), **lab.places(laboratory))
    (run,) = tracking_workspace.runs()
    assert tracking_workspace.artifacts(run, "report") == ["report/index.html", "report/models"]
    pages = tracking_workspace.artifacts(run, "report/models")
    assert pages == ["report/models/gan.html", "report/models/gan.md"]


def test_heavy_libraries_are_not_imported(laboratory: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "import report_workspace; report_workspace.render(Path(sys.argv[2]), 'gan')\n"
        "names = {'tensorflow', 'keras', 'mlflow', 'great_expectations', 'matplotlib'}\n"
        "sys.exit(f'imported: {names & set(sys.modules)}' if names & set(sys.modules) else 0)"
    )
    command = [sys.executable, "-c", code, "tests/helpers", str(laboratory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
