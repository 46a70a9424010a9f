"""Gathers what metrics need of one trained model, asks every metric, and keeps each number with its protocol."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import genlab
from genlab import plugins, seeds
from genlab.errors import InputError
from genlab.evaluation.inversion import invert
from genlab.feature_extractor import Extracted, FeatureExtractor
from genlab.images import read_split, to_float, to_uint8
from genlab.measures import Evidence, EvidenceBound, Protocol, Reconstructions, Samples
from genlab.params import Evaluation
from genlab.trained_model import TrainedModel

NUM_PICTURES = 64
NUM_SCATTERED = 5000


@dataclass
class Scores:
    """The numbers of one model, each with unit, direction, method and protocol, and what was left out and why."""

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    latents: dict[str, np.ndarray] = field(default_factory=dict)
    class_histogram: dict[str, np.ndarray] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Returns the bare numbers by name."""
        return {name: metric["value"] for name, metric in self.metrics.items()}

    def add(self, source: str, evidence: Evidence, protocol: Protocol, method: str) -> None:
        """Asks every metric that needs this kind of evidence."""
        for module in _metrics_for(evidence):
            values = module.compute(evidence)
            for name, measure in module.MEASURES.items():
                if name in values:
                    facts = {"value": values[name], **measure._asdict(), "method": method, "protocol": protocol}
                    self.metrics[f"test/{source}/{name}"] = facts
                else:
                    self.skipped[f"test/{source}/{name}"] = "the images have no classes"

    def skip(self, source: str, kind: type[Evidence], reason: str) -> None:
        """Notes why the metrics of this kind of evidence have no value from `source`."""
        modules = (plugins.find("metrics", name, "metrics") for name in plugins.names("metrics"))
        names = (name for module in modules if module.NEEDS is kind for name in module.MEASURES)
        self.skipped |= {f"test/{source}/{name}": reason for name in names}


def _metrics_for(evidence: Evidence) -> Iterator[Any]:
    for name in plugins.names("metrics"):
        module = plugins.find("metrics", name, "metrics")
        if module.NEEDS is type(evidence):
            yield module


class _Evaluator:
    """One evaluation: the model, the real images and their features."""

    def __init__(self, model: TrainedModel, extractor: FeatureExtractor, data: Path, settings: Evaluation, seed: int):
        self.model, self.extractor, self.data, self.settings, self.seed = model, extractor, data, settings, seed
        self.name, self.kind = model.settings["name"], model.settings["kind"]
        test = read_split(data, "test")
        self.images, self.labels = np.asarray(test.images), np.asarray(test.labels)
        if self.images.shape[1:] != model.image_shape:
            raise InputError(
                f"{data} must hold images of the shape {model.image_shape}, on which {self.name} was trained. "
                f"Received: {self.images.shape[1:]}. Run: dvc repro."
            )
        self.scores = Scores()
        self.scores.pictures["originals"] = self.images[:NUM_PICTURES]

    def protocol(self, num_images: int, **more: Any) -> Protocol:
        common = {"split": "test", "num_real": num_images, "quantisation": "none", "resize": "none"}
        return common | {"genlab_version": genlab.__version__, "seed": self.seed} | more

    def score_samples(self) -> None:
        number = min(self.settings.num_images, len(self.images))
        real = self.extractor.extract(self.images[:number])
        facts = {name: self.extractor.settings[name] for name in ("task", "weights_sha256")}
        protocol = self.protocol(number, num_generated=number, quantisation="uint8", features=facts)
        for source in ("prior", "fitted"):
            if source in self.model.sources():
                self._score_source(source, real, protocol)
            else:
                lacks = "no prior" if source == "prior" else "no encoder, so no latents to fit a density to"
                self.scores.skip(source, Samples, f"{self.kind} has {lacks}")

    def _score_source(self, source: str, real: Extracted, protocol: Protocol) -> None:
        seed = seeds.derive(self.seed, "samples", source)
        pictures = to_uint8(self.model.sample(len(real.features), seed, source))
        generated = self.extractor.extract(pictures)
        num_classes = self.extractor.num_classes
        evidence = Samples(real.features, generated.features, real.classes, generated.classes, num_classes)
        self.scores.add(source, evidence, protocol, "samples")
        self.scores.pictures[f"{source}_samples"] = pictures[:NUM_PICTURES]
        if num_classes:
            counts = {"real": real.classes, source: generated.classes}
            self.scores.class_histogram |= {
                name: np.bincount(classes, minlength=num_classes) for name, classes in counts.items()
            }

    def score_reconstructions(self) -> None:
        subset = to_float(self.images[: self.settings.inversion.num_images])
        if self.model.can("encode"):
            floats = to_float(self.images)
            rebuilt = self.model.reconstruct(floats)
            evidence = Reconstructions(floats, rebuilt)
            self.scores.add("reconstruction", evidence, self.protocol(len(floats)), "encoder")
            rebuilt, method = rebuilt[: len(subset)], "encoder"
        else:
            reason = f"{self.kind} has no encoder; see reconstruction_subset"
            self.scores.skip("reconstruction", Reconstructions, reason)
            rebuilt = invert(self.model.model, subset, self.settings.inversion, seeds.derive(self.seed, "inversion"))
            method = f"latent optimised, {self.settings.inversion.steps} steps (inversion)"
        evidence = Reconstructions(subset, rebuilt)
        self.scores.add("reconstruction_subset", evidence, self.protocol(len(subset)), method)
        self.scores.pictures["reconstructions"] = to_uint8(rebuilt[:NUM_PICTURES])

    def score_pca(self) -> None:
        """Scores the best linear autoencoder of the same latent size, fitted to the train images."""
        from sklearn.decomposition import PCA

        train = to_float(read_split(self.data, "train").images)
        rows, components = train.reshape(len(train), -1), self.model.latent_dim
        if components >= min(rows.shape):
            self.scores.skip("pca", Reconstructions, f"{components} components are no fewer than {min(rows.shape)}")
            return
        pca = PCA(components, random_state=self.seed).fit(rows)
        floats = to_float(self.images)
        rebuilt = pca.inverse_transform(pca.transform(floats.reshape(len(floats), -1))).reshape(floats.shape)
        protocol = self.protocol(len(floats), num_components=components)
        self.scores.add("pca", Reconstructions(floats, rebuilt), protocol, "PCA of the train images")

    def score_bound(self) -> None:
        if not hasattr(self.model.model, "elbo_terms"):
            self.scores.skip("reconstruction", EvidenceBound, f"{self.kind} has no posterior")
            return
        terms = [
            self.model.model.elbo_terms(to_float(self.images[start : start + 500]), (self.seed, start))
            for start in range(0, len(self.images), 500)
        ]
        losses, kls = (np.concatenate(parts) for parts in zip(*terms, strict=True))
        protocol = self.protocol(len(losses), num_posterior_draws=1, likelihood="bernoulli on grey values")
        self.scores.add("reconstruction", EvidenceBound(losses, kls), protocol, "encoder")

    def keep_latents(self) -> None:
        if self.model.can("encode"):
            latents = self.model.encode(to_float(self.images[:NUM_SCATTERED]))
            self.scores.latents = {"latents": latents, "labels": self.labels[:NUM_SCATTERED]}


def evaluate(model: TrainedModel, extractor: FeatureExtractor, data: Path, settings: Evaluation, seed: int) -> Scores:
    """Returns the scores of `model` on the test split of the data set in `data`.

    Args:
        model: What was trained.
        extractor: Where Fréchet distances are measured.
        data: A fetched data set.
        settings: How many images, and the inversion's settings.
        seed: Of all that is drawn; the same for every model, so that their protocols are equal.

    Raises:
        InputError: The images have not the shape of those that the model was trained on.
    """
    evaluator = _Evaluator(model, extractor, data, settings, seed)
    evaluator.score_samples()
    evaluator.score_reconstructions()
    evaluator.score_pca()
    evaluator.score_bound()
    evaluator.keep_latents()
    return evaluator.scores
