"""What the stage `report` reads, as the other stages write it: three small models; and its pages, taken apart."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from genlab import report
from genlab.imaging import arrays
from genlab.settings.params import Params

NUM_TEST = 2000
CLASS_NAMES = ["one & only", "<b>two</b>", "お"]
NO_PRIOR, NO_ENCODER = "an autoencoder has no prior", "a GAN has no <encoder>"
INVERSION = "latent optimised, 200 steps (inversion)"
KINDS = {"ae": "autoencoder", "vae": "vae", "gan": "gan"}
LATENT_DIMS = {"ae": 3, "vae": 5, "gan": 8}


def write_json(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def metric(
    value: float, direction: str = "lower", unit: str = "", method: str = "encoder"
) -> dict[str, Any]:
    return {
        "value": value,
        "interval": [value, value],
        "unit": unit,
        "direction": direction,
        "method": method,
        "protocol": {"split": "test", "seed": 7},
    }


def distance(value: float) -> dict[str, Any]:
    floors = {
        "floor": {"value": 2.5, "interval": [2.4, 2.6]},
        "floor_halves": {"value": 2.7, "interval": [2.6, 2.8]},
    }
    return metric(value, method="samples") | {
        "interval": [value - 0.5, value + 0.5],
        "floor": floors,
    }


SCORES: dict[str, dict[str, Any]] = {
    "ae": {
        "test/fitted/frechet_distance": distance(18.24),
        "test/reconstruction/mse": metric(0.03126, unit="per pixel"),
        "test/reconstruction_subset/mse": metric(0.0311, method="encoder"),
        "test/pca/mse": metric(0.0521),
    },
    "vae": {
        "test/prior/frechet_distance": distance(31.27),
        "test/fitted/frechet_distance": distance(21.5),
        "test/reconstruction/mse": metric(0.0094, unit="per pixel"),
        "test/reconstruction/psnr": metric(20.268, "higher", "dB"),
        "test/reconstruction/negative_elbo": metric(101.26, unit="nats per image"),
        "test/reconstruction_subset/mse": metric(0.0095, method="encoder"),
        "test/pca/mse": metric(0.0235),
    },
    "gan": {
        "test/prior/frechet_distance": distance(12.345),
        "test/reconstruction_subset/mse": metric(0.0412, method=INVERSION),
        "test/prior/smallest_class_share": metric(0.42, "higher"),
    },
}


KEPT = {
    "ae": {"rule": "last", "step": 5000, "stopped_at": 5000},
    "vae": {
        "rule": "best",
        "monitor": "negative_elbo",
        "value": 101.26,
        "step": 3500,
        "stopped_at": 5000,
    },
    "gan": {
        "rule": "last",
        "monitor": "frechet_distance",
        "value": 4.0,
        "step": 1500,
        "stopped_at": 1500,
    },
}


def write_model(root: Path, name: str) -> None:
    rng, encodes = np.random.default_rng(len(name)), name != "gan"
    latent_dim, some = LATENT_DIMS[name], rng.integers(0, 256, (64, 8, 8, 1), np.uint8)
    settings = {"kind": KINDS[name], "latent_dim": latent_dim, "steps": 5000}
    folder = root / "models" / name
    about = {
        "kind": KINDS[name],
        "settings": settings,
        "train_key": f"key-{name}",
        "precision": "float32",
    }
    write_json(folder / "settings.json", about | {"kept": KEPT[name]})
    (folder / "history.csv").write_text(
        "step,train/loss,validation/loss\n1,900,\n50,120,130\n100,90.5,\n150,nan,95\n"
    )
    for step, kind in ((100, "samples"), (1, "samples"), (100, "reconstructions")):
        if encodes or kind == "samples":
            arrays.write_png(folder / "progress" / f"{kind}_{step:06d}.png", arrays.grid(some))
    drawn = {"originals": some, "reconstructions": some // 2}
    drawn |= {"prior_samples": 255 - some} if name != "ae" else {}
    drawn |= {"fitted_samples": some // 3} if encodes else {}
    folder = root / "evaluation" / name
    folder.mkdir(parents=True)
    np.savez(folder / "pictures.npz", **drawn)  # type: ignore[arg-type]
    np.savez(folder / "class_histogram.npz", real=np.array([5, 5, 6]), prior=np.array([1, 9, 6]))
    if encodes:
        points = rng.standard_normal((40, latent_dim)).astype(np.float32)
        np.savez(folder / "latents.npz", latents=points, labels=np.arange(40) % 3)
    write_walks(folder, rng, latent_dim, encodes)
    skipped = {"test/prior/frechet_distance": NO_PRIOR} if name == "ae" else {}
    skipped |= {"test/fitted/frechet_distance": NO_ENCODER} if name == "gan" else {}
    write_json(
        root / "scores" / name / "scores.json",
        {
            "metrics": SCORES[name],
            "skipped": skipped,
            "train_key": f"key-{name}",
            "num_parameters": 1234567,
            "protocol": "ef" * 16,
        },
    )


def write_walks(folder: Path, rng: np.random.Generator, latent_dim: int, encodes: bool) -> None:
    """Two paths of four images, and every dimension at five values from two starts."""
    names = [
        ["one & only, test image 0", "お, test image 2"],
        ["<b>two</b>, test image 1", "お, test image 5"],
    ]
    walked = {"images": rng.integers(0, 256, (2, 4, 8, 8, 1), np.uint8), "names": np.array(names)}
    walked |= {"originals": rng.integers(0, 256, (2, 2, 8, 8, 1), np.uint8)} if encodes else {}
    np.savez(
        folder / "interpolations.npz", path=np.array("spherical" if encodes else "linear"), **walked
    )  # type: ignore[arg-type]
    np.savez(
        folder / "traversals.npz",
        images=rng.integers(0, 256, (2, latent_dim, 5, 8, 8, 1), np.uint8),
        starts=np.array(["the prior's mean", "<b>two</b>, test image 1"]),
        dimensions=np.arange(latent_dim)[::-1],
        strengths=np.linspace(2, 0.1, latent_dim),
        strength=np.array("KL, nats per image"),
        offsets=np.linspace(-3, 3, 5),
        deviations=np.ones(latent_dim),
        middle=np.array("the prior's mean"),
        positions=np.stack([np.zeros(latent_dim), np.full(latent_dim, 1.4)]),
        latent_dim=np.array(latent_dim),
    )


def write_outputs(root: Path) -> None:
    write_json(
        root / "images" / "dataset.json",
        {"name": "toy <&> set", "image_shape": [8, 8, 1], "class_names": CLASS_NAMES, "sha256": "ab" * 32,
         "num_images": {"train": 9000, "validation": 1000, "test": NUM_TEST},
         "licence": "CC0, https://example.org/licence", "citation": "Someone, 1998"},
    )  # fmt: skip
    write_json(
        root / "features" / "settings.json",
        {
            "task": "classes",
            "settings": {"feature_dim": 16},
            "weights_sha256": "cd" * 32,
            "pinned": "toy-v1",
        },
    )
    write_json(root / "features" / "metrics.json", {"test/accuracy": 0.98765})
    check = {
        "name": "class balance",
        "severity": "warning",
        "success": False,
        "expected": "<= 3",
        "observed": "3.4",
    }
    write_json(
        root / "validation.json",
        {
            "dataset": "toy",
            "class_counts": {"train": [1, 2, 3], "test": [4, 5, 6]},
            "checks": [check, check | {"success": True}],
        },
    )
    rng = np.random.default_rng(0)
    np.save(
        root / "images" / "test_images.npy", rng.integers(0, 256, (NUM_TEST, 8, 8, 1), np.uint8)
    )
    np.save(root / "images" / "test_labels.npy", np.arange(NUM_TEST) % 3)
    for name in KINDS:
        write_model(root, name)
    vae = root / "models" / "vae" / "histograms.npz"
    counts = np.array([[0, 4, 1], [2, 2, 1]])
    np.savez(
        vae, step=np.array([1, 100]), edges=np.linspace(-1, 1, 4), mean=counts, log_variance=counts
    )
    write_json(
        root / "timings" / "vae.json",
        {
            "train_seconds": 125.3,
            "images_per_second": 25312.7,
            "device": "CPU",
            "train_key": "key-vae",
        },
    )


def params_of(*names: str) -> Params:
    """Only what the report reads, so that new parameters do not concern these tests."""
    from genlab.settings.params import Data, Evaluation, Features, Inversion

    inversion = Inversion.model_construct(num_images=512, steps=200)
    return Params.model_construct(
        seed=7,
        profile="default",
        data=Data.model_construct(name="toy"),
        features=Features.model_construct(feature_dim=16),
        evaluation=Evaluation.model_construct(num_images=10000, num_repeats=5, inversion=inversion),
        models={name: {"kind": KINDS[name]} for name in names},
    )


def places(root: Path) -> dict[str, Path]:
    inputs = (
        "models",
        "scores",
        "evaluation",
        "features",
        "images",
        "timings",
        "rate_distortion",
        "plots",
    )
    found = {name: root / name for name in inputs} | {"validation": root / "validation.json"}
    reports = root / "reports"
    return found | {
        "data_docs": reports / "data_docs",
        "pages": reports / "models",
        "out": reports / "index.html",
    }


def render(root: Path, *names: str) -> str:
    """Returns the page of these models, or all; the others are written, too."""
    report.write_pages(params_of(*(names or KINDS)), **places(root))
    return (root / "reports" / "index.html").read_text(encoding="utf-8")


def set_score(root: Path, name: str, key: str, **changes: Any) -> None:
    path = root / "scores" / name / "scores.json"
    scores = read_json(path)
    scores["metrics"].setdefault(key, metric(0.0)).update(changes)
    write_json(path, scores)


class Page(HTMLParser):
    """Collects tags with their attributes, and the text of everything but style and script."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def row(page: str, label: str) -> list[str]:
    """Returns the texts of a row's cells."""
    body = next(part for part in page.split("<tr>") if part.startswith(f'<th scope="row">{label}'))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", body.split("</tr>")[0], re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
