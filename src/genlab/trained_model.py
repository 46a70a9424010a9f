"""A trained model, rebuilt from its folder as what was trained, whatever `params.yaml` says today."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from genlab import binarisation, density, devices, plugins
from genlab.errors import InputError
from genlab.extraction import in_batches
from genlab.params import build_section

BATCH_SIZE = 100
"""Every batch is filled up to this size: equal shapes give equal bits, whatever the number of images."""
WEIGHTS = "model.weights.h5"
Function = Callable[..., Any]


class TrainedModel:
    """Samples, reconstructs, encodes and decodes in batches; images are float32 NHWC in [0, 1].

    What a model cannot do raises an InputError that says why.
    """

    def __init__(self, model: Any, settings: dict[str, Any], mixture: density.GaussianMixture | None):
        self.model = model
        self.settings = settings
        self._mixture: Any = mixture
        self._compiled: dict[str, Function] = {}

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
                f"source must be one of {', '.join(self.sources())} for {self.settings['name']} "
                f"(kind {self.settings['kind']}). Received: {source!r}. See --source."
            )
        return (self.model if source == "prior" else self._mixture).draw_latents(num_images, seed)

    def sample(self, num_images: int, seed: int, source: str = "prior") -> np.ndarray:
        """Returns `num_images` images; same seed, same images, and the first ones do not depend on the number."""
        return self.decode(self.draw_latents(num_images, seed, source))

    def can(self, verb: str) -> bool:
        """Returns whether the model can `encode` or `reconstruct`."""
        return hasattr(self.model, verb)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Returns the images rebuilt from their latents."""
        return self._map("reconstruct", self._checked(images))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Returns the latents, float32 (n, latent_dim); of a VAE the posterior means."""
        return self._map("encode", self._checked(images))

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Returns the images of latents (n, latent_dim)."""
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise InputError(
                f"latents must have the shape (n, {self.latent_dim}). Received: {latents.shape}. See the latents given."
            )
        return self._map("decode", latents)

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images, np.float32)
        if images.ndim != 4 or images.shape[1:] != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise InputError(
                f"images must have the shape (n, {expected}). Received: {images.shape}. See the images given."
            )
        return images

    def compiled(self, name: str) -> Function:
        """Returns one of the model's own functions, compiled once."""
        if name not in self._compiled:
            self._compiled[name] = tf.function(getattr(self.model, name), autograph=False)
        return self._compiled[name]

    def _map(self, verb: str, values: np.ndarray) -> np.ndarray:
        """Applies one of the model's functions batch by batch, compiled once."""
        if not self.can(verb):
            raise InputError(
                f"{verb} must be asked of a model with an encoder. Received: {self.settings['name']} "
                f"(kind {self.settings['kind']}). See params.yaml: models."
            )
        function = self.compiled(verb)
        (found,) = in_batches(lambda batch, _: [function(tf.constant(batch))], values, BATCH_SIZE)
        return found


def load(folder: Path | str) -> TrainedModel:
    """Returns the trained model in `folder`.

    Raises:
        InputError: The folder holds no trained model.
    """
    folder = Path(folder)
    for name in ("settings.json", WEIGHTS):
        if not (folder / name).is_file():
            known = sorted(path.parent.name for path in folder.parent.glob("*/settings.json"))
            there = (
                f"There are: {', '.join(known)}{plugins.nearest(folder.name, known)}." if known else "Run: dvc repro."
            )
            raise InputError(f"{folder} must be the folder of a trained model. Received: no {name} there. {there}")
    try:
        return _rebuild(folder, json.loads((folder / "settings.json").read_text()))
    except InputError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{folder} must hold a whole trained model. Received: {' '.join(str(error).split())[:200]}. "
            f"Run: dvc repro --force train@{folder.name}."
        ) from None


def _rebuild(folder: Path, settings: dict[str, Any]) -> TrainedModel:
    chapter = plugins.find("models", settings["kind"], f"{folder}/settings.json: kind")
    own = build_section(chapter.Settings, settings["settings"], f"{folder}/settings.json: settings")
    with devices.new_layers_in(settings["precision"]):
        model = chapter.build(own, tuple(settings["image_shape"]))
    model.load_weights(folder / WEIGHTS)
    mixture = density.GaussianMixture.read(folder / "density.npz") if (folder / "density.npz").is_file() else None
    return TrainedModel(model, settings, mixture)
