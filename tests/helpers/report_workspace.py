"""What the stage `report` reads, written as the other stages do, of small models; pages as text."""

import contextlib
import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from genlab.imaging import arrays
from genlab.report.collect import ReportPaths
from genlab.report.writing import write_pages
from genlab.settings.judges import Features
from genlab.settings.params import Data, Evaluation, Inversion, Params

OUTPUTS = Path(__file__).parents[1] / "report" / "outputs"
"""Texts of the other stages; the arrays beside them are made here."""
KINDS = {"ae": "autoencoder", "vae": "vae", "gan": "gan"}
PRIOR, FITTED = "test/prior/frechet_distance", "test/fitted/frechet_distance"
MSE, SEARCHED, PCA = "test/reconstruction/mse", "test/inversion/mse", "test/pca/mse"


def score(value: float, direction: str = "lower", **changes: Any) -> dict[str, Any]:
    """Returns a score as `scores.json` holds it."""
    about = {"interval": None, "interval_method": "", "unit": "", "method": "encoder"}
    protocol = {"split": "test", "seed": 7}
    about |= {"reference": "", "direction": direction, "protocol": protocol}
    return {"value": value, **about, **changes}


def distance(value: float, width: float = 0.5, **changes: Any) -> dict[str, Any]:
    """Returns a Fréchet distance with an interval of `width` on either side, and a floor of 2.5."""
    floor = {"floor": {"value": 2.5, "interval": None}}
    about = {"interval": [value - width, value + width], "floor": floor, "method": "samples"}
    return score(value, **{**about, **changes})


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def set_score(root: Path, name: str, key: str, **changes: Any) -> None:
    path = root / "scores" / name / "scores.json"
    metrics = json.loads(path.read_text())["metrics"]
    change_json(path, metrics=metrics | {key: metrics.get(key, score(0.0)) | changes})


def some_images(*shape: int) -> np.ndarray:
    """Returns noise, uint8 (*shape, 8, 8, 1)."""
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 8, 8, 1), np.uint8)


def write_npz(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_npz(path, {name: np.asarray(value) for name, value in values.items()})


def write_outputs(root: Path) -> None:
    """Writes what the other stages leave of three models."""
    shutil.copytree(OUTPUTS, root, dirs_exist_ok=True)
    (root / "data_docs").mkdir()
    (root / "data_docs" / "index.html").touch()
    np.save(root / "images" / "test_images.npy", some_images(2000))
    np.save(root / "images" / "test_labels.npy", np.arange(2000) % 3)
    some = some_images(64)
    samples = {"prior_samples": 255 - some, "fitted_samples": some // 3}
    rebuilt = {"originals": some, "reconstructions": some // 2}
    write_arrays(root, "ae", 3, rebuilt | {"fitted_samples": some // 3})
    write_arrays(root, "vae", 5, rebuilt | samples)
    write_arrays(root, "gan", 8, rebuilt | {"prior_samples": 255 - some})
    bins = [[0, 4, 1], [2, 2, 1]]
    histograms = {"step": [1, 100], "edges": np.linspace(-1, 1, 4), "mean": bins}
    write_npz(root / "models" / "vae" / "histograms.npz", histograms | {"log_variance": bins})


def write_arrays(root: Path, name: str, latent_dim: int, pictures: dict[str, np.ndarray]) -> None:
    folder, encodes = root / "evaluation" / name, name != "gan"
    write_npz(folder / "pictures.npz", pictures)
    write_npz(folder / "class_histogram.npz", {"real": [5, 5, 6], "prior": [1, 9, 6]})
    if encodes:
        points = np.random.default_rng(0).standard_normal((40, latent_dim)).astype(np.float32)
        write_npz(folder / "latents.npz", {"latents": points, "labels": np.arange(40) % 3})
    middle, two, last = "the prior's mean", "<b>two</b>, test image 1", "お, test image 2"
    names = [["one & only, test image 0", last], [two, last]]
    paths = {"path": "spherical" if encodes else "linear", "names": names}
    paths |= {"originals": some_images(2, 2)} if encodes else {}
    write_npz(folder / "interpolations.npz", paths | {"images": some_images(2, 4)})
    walks = {
        "images": some_images(2, latent_dim, 5),
        "starts": [middle, two],
        "dimensions": np.arange(latent_dim)[::-1],
        "strengths": np.linspace(2, 0.1, latent_dim),
        "strength": "KL, nats per image",
        "offsets": np.linspace(-3, 3, 5),
        "middle": middle,
        "positions": [np.zeros(latent_dim), np.full(latent_dim, 1.4)],
        "latent_dim": latent_dim,
    }
    write_npz(folder / "traversals.npz", walks)
    for grid in ("samples_000001", "samples_000100", "reconstructions_000100")[: 2 + encodes]:
        path = root / "models" / name / "progress" / f"{grid}.png"
        arrays.write_png(path, arrays.grid(some_images(64)))


def add_model(
    root: Path, name: str, scores: dict[str, Any], pictures: dict[str, np.ndarray], **settings: Any
) -> None:
    """Adds a model that is not one of `KINDS`."""
    shutil.copytree(root / "models" / "gan", root / "models" / name)
    shutil.copytree(root / "scores" / "gan", root / "scores" / name)
    settings |= {"settings": {"kind": "gan", "steps": 5000}, "train_key": name}
    change_json(root / "models" / name / "settings.json", **settings)
    scored = {"metrics": scores, "skipped": {}, "train_key": name}
    change_json(root / "scores" / name / "scores.json", **scored)
    write_npz(root / "evaluation" / name / "pictures.npz", pictures)


def params_of(*names: str) -> Params:
    """Only what the report reads, so that new parameters do not concern these tests."""
    inversion = Inversion.model_construct(num_images=512, steps=200)
    return Params.model_construct(
        seed=7,
        profile="default",
        data=Data.model_construct(name="toy"),
        features=Features.model_construct(),
        evaluation=Evaluation.model_construct(num_images=10000, num_repeats=5, inversion=inversion),
        models={name: {"kind": KINDS.get(name, "gan")} for name in names},
    )


def places(root: Path) -> dict[str, Path]:
    """Returns everything under its own name, but for `index.html`."""
    folders = {field.name: root / field.name for field in dataclasses.fields(ReportPaths)}
    return folders | {"validation": root / "validation.json", "out": root / "index.html"}


def render(root: Path, *names: str) -> str:
    """Returns the page of these models, or of all three; the others are written, too."""
    with contextlib.chdir(root):  # no repository, so no commit
        write_pages(params_of(*(names or KINDS)), ReportPaths(**places(root)))
    return (root / "index.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects tags with their attributes, and the text of everything but style and script."""

    VOID = ("meta", "link", "img", "input", "br")
    BLOCKS = re.compile("h[1-3]|tr|p|d[dt]|li|figcaption|summary|img|div|pre")

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.lines: list[str] = [""]
        self._open: list[str] = []
        self.feed(text)
        self.text = " ".join(" ".join(self.lines).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if self.BLOCKS.fullmatch(tag):
            self.lines.append(f"<{tag}> ")
        self.lines[-1] += "| " if tag in ("td", "th") else ""
        shown = ("alt", "aria-label", "href", "data-step")
        self.lines[-1] += "".join(f"[{name}={value}] " for name, value in attrs if name in shown)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.lines[-1] += f"{' '.join(data.split())} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def outline(self) -> str:
        """Returns a line per heading, row, paragraph, picture and figure that says anything."""
        lines = (" ".join(line.split()) for line in self.lines)
        return "\n".join(line for line in lines if line and not re.fullmatch(r"<\w+>", line)) + "\n"


def row(page: str, label: str) -> list[str]:
    """Returns the texts of a row's cells."""
    body = next(part for part in page.split("<tr>") if part.startswith(f'<th scope="row">{label}'))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", body.split("</tr>")[0], re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
