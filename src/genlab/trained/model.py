"""A trained model, rebuilt from its folder. `params.yaml` has no influence."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from genlab.contract.capabilities import Encodes, Generates
from genlab.contract.fields import Field, spec_from_json
from genlab.contract.steps import Model
from genlab.imaging import binarisation
from genlab.imaging.arrays import to_unit
from genlab.imaging.pictures import Pictures, read_png
from genlab.networks import devices
from genlab.numerics import interpolation
from genlab.numerics.batches import in_batches
from genlab.numerics.density import GaussianMixture
from genlab.runtime.errors import InputError
from genlab.settings import plugins
from genlab.settings.params import build_section
from genlab.trained.generators import BATCH_SIZE, PRIOR, Generator, generators

WEIGHTS = "model.weights.h5"
Function = Callable[..., Any]


class TrainedModel:
    """Samples, reconstructs, encodes and decodes in batches.

    Arguments are images (n, height, width, channels), uint8 or floats in [0, 1]. Results are
    float32 in [0, 1], which a notebook shows as a grid. A method that the model does not support
    raises an InputError with the reason.
    """

    def __init__(
        self,
        model: Model,
        settings: dict[str, Any],
        mixture: GaussianMixture | None,
        folder: Path = Path(),
    ):
        self.model = model
        self.settings = settings
        self.folder = folder
        self.spec = spec_of(settings)
        self._generators = generators(model, self.spec, mixture)
        self._compiled: dict[str, Function] = {}

    def __repr__(self) -> str:
        verbs = [verb for verb in ("encode", "reconstruct", "decode") if self.can(verb)]
        verbs = ["sample", *verbs, *(["interpolate"] if self.can("decode") else [])]
        size = f"latent_dim {self.latent_dim}, " if self.latent_dim else ""
        return (
            f"<{self.name} (kind {self.kind}): images {self.image_shape}, {size}"
            f"sources {', '.join(self.sources()) or 'none'}; {', '.join(verbs)}>"
        )

    @property
    def name(self) -> str:
        """The model's name in `params.yaml: models`."""
        return str(self.settings["name"])

    @property
    def kind(self) -> str:
        """The model's chapter: `vae`."""
        return str(self.settings["kind"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        height, width, channels = self.settings["image_shape"]
        return height, width, channels

    @property
    def takes(self) -> tuple[str, ...]:
        """The fields on which it was trained."""
        return tuple(self.settings.get("takes", ["images"]))

    @property
    def given(self) -> tuple[str, ...]:
        """The fields that its samples are given."""
        return self.model.given if isinstance(self.model, Generates) else ()

    @property
    def latent_dim(self) -> int | None:
        """Size of a latent vector; None if there is none."""
        if isinstance(self.model, Encodes):
            return self.model.latent_dim
        if isinstance(self.model, Generates) and len(self.model.noise_shape) == 1:
            return self.model.noise_shape[0]
        return None

    def as_seen(self, images: np.ndarray) -> np.ndarray:
        """Returns uint8 images as the model is scored on them: binarised if it was trained so."""
        return binarisation.as_seen(images, self.settings.get("binarisation", "none"))

    def generators(self) -> dict[str, Generator]:
        """Returns the generators by source: `prior`, `fitted` or `translation`."""
        return self._generators

    def sources(self) -> list[str]:
        """Returns the names of the generators."""
        return list(self._generators)

    def generator(self, source: str) -> Generator:
        """Returns one generator, or raises an InputError if the model has no such source."""
        if source not in self._generators:
            known = ", ".join(self.sources()) or "none"
            expected = f"source must be one of {known} for {self.name} (kind {self.kind})"
            raise InputError(expected, repr(source), "See source")
        return self._generators[source]

    def draw_latents(self, num_images: int, seed: int, source: str) -> np.ndarray:
        """Returns the noise of a source, float32 (num_images, ...)."""
        return self.generator(source).draw(num_images, seed)

    def sample(
        self,
        num_images: int,
        seed: int = 0,
        source: str | None = None,
        given: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Pictures:
        """Returns generated images.

        Args:
            num_images: At least 1. The first images do not depend on it.
            seed: Same seed, same images.
            source: `prior`, `fitted` or `translation`; by default the model's first one.
            given: By field one value for all images, or one per image.
            fields: The same as keywords: `labels=3`.

        Raises:
            InputError: The model has no such source, or a field is missing or wrong.
        """
        generator = self.generator(source or next(iter(self._generators), PRIOR))
        return Pictures(generator.sample(num_images, seed, {**(given or {}), **fields}))

    def can(self, verb: str) -> bool:
        """Returns whether the model can `encode`, `reconstruct` or `decode`."""
        return verb in self.functions()

    def functions(self) -> dict[str, Function]:
        """Returns by verb a function from one tensor to another."""
        model = self.model
        if isinstance(model, Encodes):
            encode, decode = model.encode, model.decode
            return {
                "encode": encode,
                "decode": decode,
                "reconstruct": lambda images: decode(encode(images)),
            }
        if isinstance(model, Generates) and self.latent_dim and not model.given:
            generate = model.generate
            return {"decode": lambda latents: generate(latents, {})}
        return {}

    def reconstruct(self, images: np.ndarray) -> Pictures:
        """Returns the decoded latents of images."""
        return Pictures(self._map("reconstruct", self._to_floats(images)))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Returns the latents, float32 (n, latent_dim); for a VAE the posterior means."""
        return self._map("encode", self._to_floats(images))

    def decode(self, latents: np.ndarray) -> Pictures:
        """Returns the images of latents (n, latent_dim)."""
        latents = np.asarray(latents, np.float32)
        if self.can("decode") and (latents.ndim != 2 or latents.shape[1] != self.latent_dim):
            expected = f"latents must have the shape (n, {self.latent_dim})"
            raise InputError(expected, str(latents.shape), "See the latents given")
        return Pictures(self._map("decode", latents))

    def interpolate(self, first: np.ndarray, last: np.ndarray, num_steps: int = 8) -> Pictures:
        """Returns the images along a path between two images, or two latents, both included.

        Args:
            first: An image (height, width, channels), or a latent (latent_dim,).
            last: The other end, of the same form.
            num_steps: Number of images, at least 2.

        Raises:
            InputError: An end has another shape, or it is an image and there is no encoder.
        """
        if num_steps < 2:
            raise InputError("num_steps must be at least 2", str(num_steps), "See num_steps")
        latents = [self._as_latent(np.asarray(end)) for end in (first, last)]
        return self.decode(self.path(*latents, num_steps)).in_columns(num_steps)

    @property
    def path(self) -> Function:
        """The interpolation of latents: an arc under a normal prior, else a straight line."""
        is_normal = isinstance(self.model, Generates) and self.model.prior == "normal"
        return interpolation.spherical if is_normal else interpolation.linear

    def _as_latent(self, end: np.ndarray) -> np.ndarray:
        if end.ndim == 3:
            return self.encode(end[None])[0]
        if end.shape != (self.latent_dim,):
            shapes = f"images {self.image_shape} or latents ({self.latent_dim},)"
            where = "See the arguments first and last"
            raise InputError(f"first and last must be {shapes}", str(end.shape), where)
        return end

    def history(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Returns by metric its steps (n,) and values (n,) during the training."""
        with (self.folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        history = {}
        for name in (column for column in rows[0] if column != "step"):
            points = [row for row in rows if row[name]]
            steps = np.array([int(row["step"]) for row in points])
            history[name] = steps, np.array([float(row[name]) for row in points])
        return history

    def progress(self, key: str = "samples") -> tuple[list[int], Pictures]:
        """Returns steps of the training, and the grid of pictures from each of them.

        Args:
            key: `samples`, from the same noise at each step, or `reconstructions`.

        Raises:
            InputError: The training drew no such pictures.
        """
        paths = sorted((self.folder / "progress").glob(f"{key}_*.png"))
        if not paths:
            pictures = self.folder.glob("progress/*.png")
            known = sorted({path.stem.rpartition("_")[0] for path in pictures})
            expected = f"key must be one of {', '.join(known) or 'none'}"
            raise InputError(expected, repr(key), f"See {self.folder}")
        steps = [int(path.stem.rpartition("_")[2]) for path in paths]
        return steps, Pictures(np.stack([read_png(path) for path in paths]))

    def _to_floats(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != self.image_shape:
            shape = ", ".join(map(str, self.image_shape))
            expected = f"images must have the shape (n, {shape})"
            raise InputError(expected, str(images.shape), "See the images given")
        return to_unit(images)

    def _map(self, verb: str, values: np.ndarray) -> np.ndarray:
        function = self.compiled(verb)
        if not len(values):
            raise InputError(f"{verb} must be asked with a row or more", "none", "See its argument")
        (outputs,) = in_batches(lambda batch, _: [function(tf.constant(batch))], values, BATCH_SIZE)
        return outputs

    def compiled(self, verb: str) -> Function:
        """Returns `encode`, `decode` or `reconstruct`, compiled, or raises an InputError."""
        if not self.can(verb):
            part = "latent vectors" if verb == "decode" else "an encoder"
            received = f"{self.name} (kind {self.kind})"
            where = "See params.yaml: models"
            raise InputError(f"{verb} must be asked of a model with {part}", received, where)
        if verb not in self._compiled:
            self._compiled[verb] = tf.function(self.functions()[verb], autograph=False)
        return self._compiled[verb]


def spec_of(settings: Mapping[str, Any]) -> dict[str, Field]:
    """Returns the fields of the data set that a model was trained on, from its `settings.json`."""
    if "fields" in settings:
        return spec_from_json(settings["fields"])
    return {"images": Field(tuple(settings["image_shape"]), "image")}  # written by genlab 0.1


def load(folder: Path | str, precision: str | None = None) -> TrainedModel:
    """Returns the trained model in `folder`.

    Args:
        folder: Contains `settings.json` and the weights.
        precision: Precision of the layers; by default the training's.

    Raises:
        InputError: The folder holds no trained model.
    """
    folder = Path(folder)
    for name in ("settings.json", WEIGHTS):
        if not (folder / name).is_file():
            known = sorted(path.parent.name for path in folder.parent.glob("*/settings.json"))
            names = f"There are: {', '.join(known)}{plugins.nearest(folder.name, known)}"
            where = names if known else "Run: dvc repro"
            expected = f"{folder} must be the folder of a trained model"
            raise InputError(expected, f"no {name} there", where)
    try:
        settings = json.loads((folder / "settings.json").read_text())
        return _rebuild(folder, settings, precision or settings["precision"])
    except InputError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{folder} must hold a whole trained model",
            " ".join(str(error).split())[:200],
            f"Run: dvc repro --force train@{folder.name}",
        ) from None


def _rebuild(folder: Path, settings: dict[str, Any], precision: str) -> TrainedModel:
    chapter = plugins.find("models", settings["kind"], f"{folder}/settings.json: kind")
    own = build_section(chapter.Settings, settings["settings"], f"{folder}/settings.json: settings")
    with devices.new_layers_in(precision):
        model = chapter.build(own, spec_of(settings))
    model.load_weights(folder / WEIGHTS)
    path = folder / "density.npz"
    mixture = GaussianMixture.read(path) if path.is_file() else None
    return TrainedModel(model, settings, mixture, folder)
