"""What the stage `report` reads, written as the other stages do, of small models; pages as text."""

import contextlib
import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from genlab.imaging import arrays
from genlab.report.collect import Paths
from genlab.report.writing import write_pages
from genlab.settings.params import Data, Evaluation, Features, Inversion, Params

NUM_TEST = 2000
CLASS_NAMES = ["one & only", "<b>two</b>", "お"]
NO_PRIOR, NO_ENCODER = "an autoencoder has no prior", "a GAN has no <encoder>"
INVERSION = "latent optimised, 200 steps (inversion)"
KINDS = {"ae": "autoencoder", "vae": "vae", "gan": "gan"}
LATENT_DIMS = {"ae": 3, "vae": 5, "gan": 8}
PRIOR, FITTED = "test/prior/frechet_distance", "test/fitted/frechet_distance"
MSE, SUBSET, PCA = "test/reconstruction/mse", "test/reconstruction_subset/mse", "test/pca/mse"


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


SCORES: dict[str, dict[str, Any]] = {
    "ae": {FITTED: distance(18.24), MSE: score(0.03126), SUBSET: score(0.0311), PCA: score(0.0521)},
    "vae": {
        PRIOR: distance(31.27),
        FITTED: distance(21.5),
        MSE: score(0.0094, interval=[0.0093, 0.0095], unit="per pixel"),
        "test/reconstruction/psnr": score(20.268, "higher", unit="dB"),
        "test/reconstruction/negative_elbo": score(101.26, unit="nats per image"),
        SUBSET: score(0.0095),
        PCA: score(0.0235),
    },
    "gan": {
        PRIOR: distance(12.345),
        SUBSET: score(0.0412, method=INVERSION),
        "test/prior/smallest_class_share": score(0.42, "higher"),
    },
}
SKIPPED = {"ae": {PRIOR: NO_PRIOR}, "gan": {FITTED: NO_ENCODER}}


def write_json(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def change_json(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text()) | changes)


def some_images(*shape: int) -> np.ndarray:
    """Returns noise, uint8 (*shape, 8, 8, 1)."""
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 8, 8, 1), np.uint8)


def write_outputs(root: Path) -> None:
    """Writes what the stages fetch, validate and features leave, and three models."""
    facts = {"name": "toy <&> set", "image_shape": [8, 8, 1], "class_names": CLASS_NAMES}
    facts |= {"licence": "CC0, https://example.org/licence", "citation": "Someone, 1998"}
    facts |= {"num_images": {"train": 9000, "validation": 1000, "test": NUM_TEST}}
    write_json(root / "images" / "dataset.json", facts | {"sha256": "ab" * 32})
    np.save(root / "images" / "test_images.npy", some_images(NUM_TEST))
    np.save(root / "images" / "test_labels.npy", np.arange(NUM_TEST) % 3)
    extractor = {"task": "classes", "settings": {"feature_dim": 16}, "weights_sha256": "cd" * 32}
    write_json(root / "features" / "settings.json", extractor | {"pinned": "toy-v1"})
    write_json(root / "features" / "metrics.json", {"test/accuracy": 0.98765})
    check = {"name": "class balance", "severity": "warning", "expected": "<= 3", "observed": "3.4"}
    checks = [check | {"success": False}, check | {"success": True}]
    counts = {"train": [1, 2, 3], "test": [4, 5, 6]}
    write_json(root / "validation.json", {"class_counts": counts, "checks": checks})
    for name in KINDS:
        write_model(root, name)
    bins = np.array([[0, 4, 1], [2, 2, 1]])
    histograms = {"step": np.array([1, 100]), "edges": np.linspace(-1, 1, 4), "mean": bins}
    write_npz(root / "models" / "vae" / "histograms.npz", histograms | {"log_variance": bins})
    times = {"train_seconds": 125.3, "images_per_second": 25312.7, "device": "CPU"}
    write_json(root / "timings" / "vae.json", times | {"train_key": "key-vae"})


def write_npz(path: Path, values: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_npz(path, values)


def write_model(root: Path, name: str) -> None:
    encodes, latent_dim, some = name != "gan", LATENT_DIMS[name], some_images(64)
    pictures = {"originals": some, "reconstructions": some // 2}
    pictures |= {"prior_samples": 255 - some} if name != "ae" else {}
    pictures |= {"fitted_samples": some // 3} if encodes else {}
    kinds = ("samples", "reconstructions") if encodes else ("samples",)
    write_training(root, name, {"latent_dim": latent_dim}, kinds)
    folder = write_evaluation(root, name, SCORES[name], pictures)
    shares = {"real": np.array([5, 5, 6]), "prior": np.array([1, 9, 6])}
    write_npz(folder / "class_histogram.npz", shares)
    if encodes:
        points = np.random.default_rng(0).standard_normal((40, latent_dim)).astype(np.float32)
        write_npz(folder / "latents.npz", {"latents": points, "labels": np.arange(40) % 3})
    write_walks(folder, latent_dim, encodes)


def write_training(
    root: Path, name: str, settings: dict[str, Any], kinds: tuple[str, ...], **about: Any
) -> None:
    folder, kind = root / "models" / name, KINDS.get(name, "gan")
    about |= {"settings": {"kind": kind, "steps": 5000} | settings, "precision": "float32"}
    write_json(folder / "settings.json", about | {"kind": kind, "train_key": f"key-{name}"})
    lines = ("step,train/loss,validation/loss", "1,900,", "50,120,130", "100,90.5,", "150,nan,95")
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    for grid in kinds:
        for step in {"samples": (1, 100)}.get(grid, (100,)):
            path = folder / "progress" / f"{grid}_{step:06d}.png"
            arrays.write_png(path, arrays.grid(some_images(64)))


def write_evaluation(root: Path, name: str, scores: Any, pictures: dict[str, np.ndarray]) -> Path:
    facts = {"train_key": f"key-{name}", "num_parameters": 1234567, "protocol": "ef" * 16}
    facts |= {"metrics": scores, "skipped": SKIPPED.get(name, {})}
    write_json(root / "scores" / name / "scores.json", facts)
    folder = root / "evaluation" / name
    write_npz(folder / "pictures.npz", pictures)
    return folder


def write_walks(folder: Path, latent_dim: int, encodes: bool) -> None:
    """Two paths of four images, and every dimension at five values from two starts."""
    middle, two, last = "the prior's mean", "<b>two</b>, test image 1", "お, test image 2"
    names = np.array([["one & only, test image 0", last], [two, last]])
    paths = {"images": some_images(2, 4), "names": names}
    paths |= {"path": np.array("spherical" if encodes else "linear")}
    paths |= {"originals": some_images(2, 2)} if encodes else {}
    write_npz(folder / "interpolations.npz", paths)
    walks = {
        "images": some_images(2, latent_dim, 5),
        "starts": np.array([middle, two]),
        "dimensions": np.arange(latent_dim)[::-1],
        "strengths": np.linspace(2, 0.1, latent_dim),
        "strength": np.array("KL, nats per image"),
        "offsets": np.linspace(-3, 3, 5),
        "middle": np.array(middle),
        "positions": np.stack([np.zeros(latent_dim), np.full(latent_dim, 1.4)]),
        "latent_dim": np.array(latent_dim),
    }
    write_npz(folder / "traversals.npz", walks)


def write_curve(root: Path) -> None:
    """Writes a rate-distortion curve of two points, and the Data Docs that a page links to."""
    names = ("rate", "distortion", "negative_elbo")
    fields = ["kl_weight", *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
    rows = "\n1,9,8,10,20,19,21,29,28,30\n4,5,4,6,30,29,31,35,34,36\n"
    facts = {"model": "vae", "data": "toy", "steps": 3000, "num_real": 360, "split": "test"}
    write_json(root / "rate_distortion" / "rate_distortion.json", facts | {"intervals": "95 %"})
    (root / "rate_distortion" / "rate_distortion.csv").write_text(",".join(fields) + rows)
    write_json(root / "data_docs" / "index.html", "")


def params_of(*names: str) -> Params:
    """Only what the report reads, so that new parameters do not concern these tests."""
    inversion = Inversion.model_construct(num_images=512, steps=200)
    return Params.model_construct(
        seed=7,
        profile="default",
        data=Data.model_construct(name="toy"),
        features=Features.model_construct(feature_dim=16),
        evaluation=Evaluation.model_construct(num_images=10000, num_repeats=5, inversion=inversion),
        models={name: {"kind": KINDS.get(name, "gan")} for name in names},
    )


def places(root: Path) -> dict[str, Path]:
    """Returns everything under its own name, but for `index.html`."""
    folders = {field.name: root / field.name for field in dataclasses.fields(Paths)}
    return folders | {"validation": root / "validation.json", "out": root / "index.html"}


def render(root: Path, *names: str) -> str:
    """Returns the page of these models, or of all three; the others are written, too."""
    with contextlib.chdir(root):  # no repository, so no commit
        write_pages(params_of(*(names or KINDS)), Paths(**places(root)))
    return (root / "index.html").read_text(encoding="utf-8")


def set_score(root: Path, name: str, key: str, **changes: Any) -> None:
    path = root / "scores" / name / "scores.json"
    metrics = json.loads(path.read_text())["metrics"]
    change_json(path, metrics=metrics | {key: metrics.get(key, score(0.0)) | changes})


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
