"""A trained model, rebuilt from its folder as what was trained, whatever `params.yaml` says today."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from genlab.imaging import binarisation
from genlab.imaging.arrays import to_float
from genlab.imaging.pictures import Pictures, read_png
from genlab.networks import devices
from genlab.numerics import density, interpolation
from genlab.numerics.batches import in_batches
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import build_section

BATCH_SIZE = 100
"""Every batch is filled up to this size: equal shapes give equal bits, whatever the number of images."""
WEIGHTS = "model.weights.h5"
Function = Callable[..., Any]


class TrainedModel:
    """Samples, reconstructs, encodes and decodes in batches.

    Images are taken as uint8 or as floats in [0, 1], (n, height, width, channels), and returned as float32 in [0, 1]
    that a notebook shows as a grid. What a model cannot do raises an InputError that says why.
    """

    def __init__(
        self,
        model: Any,
        settings: dict[str, Any],
        mixture: density.GaussianMixture | None,
        folder: Path = Path(),
    ):
        self.model = model
        self.settings = settings
        self.folder = folder
        self._mixture: Any = mixture
        self._compiled: dict[str, Function] = {}

    def __repr__(self) -> str:
        can = [
            "sample",
            *(verb for verb in ("encode", "reconstruct") if self.can(verb)),
            "decode",
            "interpolate",
        ]
        return (
            f"<{self.settings['name']} (kind {self.settings['kind']}): images {self.image_shape}, latent_dim "
            f"{self.latent_dim}, sources {', '.join(self.sources()) or 'none'}; {', '.join(can)}>"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        height, width, channels = self.settings["image_shape"]
        return height, width, channels

    @property
    def latent_dim(self) -> int:
        """Size of a latent."""
        return int(self.settings["settings"]["latent_dim"])

    def as_seen(self, images: np.ndarray) -> np.ndarray:
        """Returns uint8 images as the model is scored on them: drawn black and white where it was trained on such."""
        return binarisation.as_seen(images, self.settings.get("binarisation", "none"))

    def sources(self) -> list[str]:
        """Returns what the model can sample from: `prior`, `fitted`, or both."""
        has = {"prior": hasattr(self.model, "draw_latents"), "fitted": self._mixture is not None}
        return [source for source, there in has.items() if there]

    def draw_latents(self, num_images: int, seed: int, source: str) -> np.ndarray:
        """Returns latents, float32 (num_images, latent_dim), from the prior or the fitted density.

        Raises:
            InputError: The model has no such source.
        """
        if source not in self.sources():
            raise InputError(
                f"source must be one of {', '.join(self.sources())} for {self.settings['name']} (kind {self.settings['kind']})",
                f"{source!r}",
                "See source",
            )
        return (self.model if source == "prior" else self._mixture).draw_latents(num_images, seed)

    def sample(self, num_images: int, seed: int, source: str = "prior") -> Pictures:
        """Returns `num_images` images; same seed, same images, and the first ones do not depend on the number."""
        return self.decode(self.draw_latents(num_images, seed, source))

    def can(self, verb: str) -> bool:
        """Returns whether the model can `encode` or `reconstruct`."""
        return hasattr(self.model, verb)

    def reconstruct(self, images: np.ndarray) -> Pictures:
        """Returns the images rebuilt from their latents."""
        return Pictures(self._map("reconstruct", self._checked(images)))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Returns the latents, float32 (n, latent_dim); of a VAE the posterior means."""
        return self._map("encode", self._checked(images))

    def decode(self, latents: np.ndarray) -> Pictures:
        """Returns the images of latents (n, latent_dim)."""
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise InputError(
                f"latents must have the shape (n, {self.latent_dim})",
                str(latents.shape),
                "See the latents given",
            )
        return Pictures(self._map("decode", latents))

    def interpolate(self, first: np.ndarray, last: np.ndarray, num_steps: int = 8) -> Pictures:
        """Returns the images along a path between two images, or two latents, both included.

        Under a normal prior the path keeps the length of latents (see `interpolation`), else it is straight.

        Args:
            first: An image (height, width, channels), which needs an encoder, or a latent (latent_dim,).
            last: Another one, of the same form.
            num_steps: How many images, at least 2.

        Raises:
            InputError: The ends have another shape, the model has no encoder, or there are too few steps.
        """
        if num_steps < 2:
            raise InputError(
                "num_steps must be at least 2",
                str(num_steps),
                "See num_steps",
            )
        latents = [self._as_latent(np.asarray(end)) for end in (first, last)]
        return self.decode(self.path(*latents, num_steps)).in_columns(num_steps)

    @property
    def path(self) -> Function:
        """How latents are interpolated: on an arc under a normal prior, else on a straight line."""
        has_prior = hasattr(self.model, "draw_latents")
        is_normal = has_prior and self.settings["settings"].get("prior", "normal") == "normal"
        return interpolation.spherical if is_normal else interpolation.linear

    def _as_latent(self, end: np.ndarray) -> np.ndarray:
        if end.ndim == 3:
            return self.encode(end[None])[0]
        if end.shape != (self.latent_dim,):
            raise InputError(
                f"first and last must be images {self.image_shape} or latents ({self.latent_dim},)",
                str(end.shape),
                "See first and last",
            )
        return end

    def history(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Returns by metric name the steps (n,) at which it was measured in training, and its values (n,)."""
        with (self.folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name != "step"]
        kept = {
            name: [(int(row["step"]), float(row[name])) for row in rows if row[name]]
            for name in names
        }
        return {
            name: (np.array([s for s, _ in row]), np.array([v for _, v in row]))
            for name, row in kept.items()
        }

    def progress(self, key: str = "samples") -> tuple[list[int], Pictures]:
        """Returns steps of the training, and of each the grid of pictures that was drawn then.

        Args:
            key: `samples`, from latents that are the same at each step, or `reconstructions`.

        Raises:
            InputError: The training drew no such pictures.
        """
        paths = sorted((self.folder / "progress").glob(f"{key}_*.png"))
        if not paths:
            known = sorted(
                {path.stem.rpartition("_")[0] for path in self.folder.glob("progress/*.png")}
            )
            raise InputError(
                f"key must be one of {', '.join(known) or 'none'}",
                f"{key!r}",
                f"See {self.folder}",
            )
        return [int(path.stem.rpartition("_")[2]) for path in paths], Pictures(
            np.stack(list(map(read_png, paths)))
        )

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise InputError(
                f"images must have the shape (n, {expected})",
                str(images.shape),
                "See the images given",
            )
        if images.dtype == np.uint8:
            return to_float(images)
        low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 1.0)
        if images.dtype.kind != "f" or not (low >= 0 and high <= 1):
            raise InputError(
                "images must be uint8, or floats in [0, 1]",
                f"{images.dtype} from {low:g} to {high:g}",
                "See the images given",
            )
        return images.astype(np.float32)

    def compiled(self, name: str) -> Function:
        """Returns one of the model's own functions, compiled once."""
        if name not in self._compiled:
            self._compiled[name] = tf.function(getattr(self.model, name), autograph=False)
        return self._compiled[name]

    def _map(self, verb: str, values: np.ndarray) -> np.ndarray:
        """Applies one of the model's functions batch by batch, compiled once."""
        if not self.can(verb):
            raise InputError(
                f"{verb} must be asked of a model with an encoder",
                f"{self.settings['name']} (kind {self.settings['kind']})",
                "See params.yaml: models",
            )
        function = self.compiled(verb)
        (found,) = in_batches(lambda batch, _: [function(tf.constant(batch))], values, BATCH_SIZE)
        return found


def load(folder: Path | str, precision: str | None = None) -> TrainedModel:
    """Returns the trained model in `folder`.

    Args:
        folder: With `settings.json` and weights.
        precision: Of its computing; that of its training when not given.

    Raises:
        InputError: The folder holds no trained model.
    """
    folder = Path(folder)
    for name in ("settings.json", WEIGHTS):
        if not (folder / name).is_file():
            known = sorted(path.parent.name for path in folder.parent.glob("*/settings.json"))
            listed = f"There are: {', '.join(known)}{plugins.nearest(folder.name, known)}"
            raise InputError(
                f"{folder} must be the folder of a trained model",
                f"no {name} there",
                listed if known else "Run: dvc repro",
            )
    try:
        settings = json.loads((folder / "settings.json").read_text())
        return _rebuild(folder, settings, precision or settings["precision"])
    except InputError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{folder} must hold a whole trained model",
            str(" ".join(str(error).split())[:200]),
            f"Run: dvc repro --force train@{folder.name}",
        ) from None


def _rebuild(folder: Path, settings: dict[str, Any], precision: str) -> TrainedModel:
    chapter = plugins.find("models", settings["kind"], f"{folder}/settings.json: kind")
    own = build_section(chapter.Settings, settings["settings"], f"{folder}/settings.json: settings")
    with devices.new_layers_in(precision):
        model = chapter.build(own, tuple(settings["image_shape"]))
    model.load_weights(folder / WEIGHTS)
    mixture = (
        density.GaussianMixture.read(folder / "density.npz")
        if (folder / "density.npz").is_file()
        else None
    )
    return TrainedModel(model, settings, mixture, folder)
