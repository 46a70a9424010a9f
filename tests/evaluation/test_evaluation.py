"""Scores of trained models: which there are, what they are worth, and with which protocol."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import ROOT, halves, tiny_entry, tiny_model, tiny_params, write_dataset

from genlab.evaluation import Scores, evaluate, inversion
from genlab.features.classifier import FeatureExtractor
from genlab.features.extractor import Extracted
from genlab.imaging.arrays import read_split, to_float
from genlab.measurement.evidence import EvidenceBound, Reconstructions, Samples
from genlab.numerics import density
from genlab.runtime.errors import InputError
from genlab.settings import params, plugins
from genlab.settings.params import Evaluation, Inversion, Params, build_section
from genlab.trained.model import TrainedModel

KINDS = ("autoencoder", "vae", "gan")
SHAPE = (8, 8, 3)
SHARES = ("smallest_class_share", "largest_class_share", "class_histogram_distance")
OF_CLASSES = (
    *SHARES,
    "class_frechet_distance_mean",
    "class_frechet_distance_largest",
    "class_frechet_distance_classes",
)
SAMPLES = (
    "frechet_distance",
    "kernel_distance",
    "precision",
    "recall",
    "density",
    "coverage",
    "nearest_train_rank",
    "copied_share",
    *OF_CLASSES,
)
TOO_FEW = ("frechet_distance_infinite",)
"""Of 16 images nothing is extrapolated."""
PIXELS = ("mse", "mae", "psnr", "structural_similarity")
BOUND = ("negative_elbo", "reconstruction_loss", "kl", "active_units", "largest_kl")


class ColourExtractor(FeatureExtractor):
    """Features are the mean colours; the class says which half of the image is the brighter one, as in `halves`."""

    def __init__(self, num_classes: int = 2):
        task = "classes" if num_classes else "20 clusters"
        self.settings = {"task": task, "num_classes": num_classes, "weights_sha256": "0" * 64}

    def extract(self, images: np.ndarray) -> Extracted:
        assert images.dtype == np.uint8
        upper, lower = images[:, :4].mean(axis=(1, 2, 3)), images[:, 4:].mean(axis=(1, 2, 3))
        return Extracted(to_float(images).mean(axis=(1, 2)), (lower > upper).astype(np.int64))


def settings(**changes: Any) -> Params:
    base = params.read_yaml(ROOT / "params.yaml")["evaluation"]
    search = {"num_images": 6, "steps": 3, "learning_rate": 0.1, **changes.pop("inversion", {})}
    if "num_starts" in base["inversion"]:
        search = {"num_starts": 16, **search}
    metrics = base["metrics"] | {"class_frechet_distance": {"min_images": 2}}
    small = {"num_images": 16, "num_repeats": 2, "metrics": metrics, "inversion": search}
    small |= {
        "likelihood": {"num_images": 4, "num_samples": 3},
        "representations": {"num_train": 30},
    }
    small |= {"few_labels": base["few_labels"] | {"steps": 2}}
    evaluation = build_section(Evaluation, base | small | changes, "tests")
    return tiny_params({"vae": tiny_entry("vae")}).model_copy(update={"evaluation": evaluation})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), SHAPE)


def untrained(kind: str, data: Path) -> TrainedModel:
    """Returns a model with random weights, and what training adds to it."""
    model = tiny_model(kind, SHAPE, network="dense")
    mixture = None
    if hasattr(model, "encode"):
        mixture = density.fit(
            np.asarray(model.encode(to_float(read_split(data, "train").images))), 2, 0
        )
    facts = {
        "name": f"my_{kind}",
        "kind": kind,
        "image_shape": list(SHAPE),
        "settings": {"latent_dim": 3},
    }
    return TrainedModel(model, facts, mixture)


@pytest.fixture(scope="module")
def models(data: Path) -> dict[str, TrainedModel]:
    return {kind: untrained(kind, data) for kind in KINDS}


@pytest.fixture(scope="module")
def scores(models: dict[str, TrainedModel], data: Path) -> dict[str, Scores]:
    return {
        kind: evaluate(model, ColourExtractor(), data, settings(), seed=4)
        for kind, model in models.items()
    }


def names(source: str, metrics: tuple[str, ...]) -> set[str]:
    return {f"test/{source}/{metric}" for metric in metrics}


# Which scores there are


def test_tables_above_name_every_metric_of_these_kinds() -> None:
    modules = [plugins.find("metrics", file, "tests") for file in plugins.names("metrics")]
    kinds = (Samples, Reconstructions, EvidenceBound)
    found = {name for module in modules if module.NEEDS in kinds for name in module.MEASURES}
    assert found == {*SAMPLES, *TOO_FEW, *PIXELS, *BOUND}


FITTED, PRIOR = names("fitted", SAMPLES), names("prior", SAMPLES)
ALWAYS = names("reconstruction_subset", PIXELS) | names("pca", PIXELS)
ENCODED = names("reconstruction", PIXELS)
PROBES = ("linear_probe_accuracy", "nearest_neighbour_accuracy")
ALWAYS |= names("latent_pca", PROBES) | names("pixels", PROBES)
OF_ENCODERS = names("latent", PROBES) | names("outliers", ("auroc", "false_positive_rate_at_95"))
OF_ENCODERS |= names(
    "few_labels", ("fine_tuned_accuracy", "from_scratch_accuracy", "few_labels_gain")
)
OF_POSTERIORS = names("reconstruction", BOUND) | {"test/likelihood/negative_log_likelihood"}
THERE = {
    "autoencoder": FITTED | ENCODED | OF_ENCODERS | ALWAYS,
    "vae": PRIOR | FITTED | ENCODED | OF_ENCODERS | OF_POSTERIORS | ALWAYS,
    "gan": PRIOR | ALWAYS,
}
NEVER = (
    names("held_out", ("auroc", "false_positive_rate_at_95"))
    | names("prior", TOO_FEW)
    | names("fitted", TOO_FEW)
)
"""No class was held out."""
EVERYTHING = PRIOR | FITTED | ENCODED | OF_ENCODERS | OF_POSTERIORS | ALWAYS | NEVER


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_is_there_or_skipped_with_a_reason(
    scores: dict[str, Scores], kind: str
) -> None:
    assert set(scores[kind].metrics) == THERE[kind]
    skipped = {name for name in scores[kind].skipped if "_inception/" not in name}
    assert skipped == EVERYTHING - THERE[kind]
    assert scores[kind].values().keys() == scores[kind].metrics.keys()
    assert all(np.isfinite(value) for value in scores[kind].values().values())


def test_reasons(scores: dict[str, Scores]) -> None:
    assert (
        scores["autoencoder"].skipped["test/prior/frechet_distance"] == "autoencoder has no prior"
    )
    assert scores["autoencoder"].skipped["test/reconstruction/kl"] == "autoencoder has no posterior"
    gan = scores["gan"].skipped
    assert (
        gan["test/fitted/frechet_distance"]
        == "gan has no encoder, so no latents to fit a density to"
    )
    assert gan["test/reconstruction/mse"] == "gan has no encoder; see reconstruction_subset"
    assert gan["test/reconstruction/negative_elbo"] == "gan has no posterior"


def test_images_without_classes_have_no_shares_and_it_is_said(
    models: dict[str, TrainedModel], data: Path
) -> None:
    found = evaluate(models["gan"], ColourExtractor(num_classes=0), data, settings(), seed=4)
    assert not names("prior", OF_CLASSES) & set(found.metrics)
    assert "test/prior/frechet_distance" in found.metrics
    assert found.skipped["test/prior/smallest_class_share"] == "the images have no classes"
    assert "class_histogram" not in found.arrays


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_unit_direction_method_and_protocol(
    scores: dict[str, Scores], kind: str
) -> None:
    for metric in scores[kind].metrics.values():
        facts = {
            "value",
            "interval",
            "interval_method",
            "unit",
            "direction",
            "reference",
            "method",
            "protocol",
        }
        assert set(metric) == facts
        assert metric["interval"][0] <= metric["value"] <= metric["interval"][1]
        assert set(metric["protocol"]) >= {
            "split",
            "num_real",
            "seed",
            "genlab_version",
            "quantisation",
            "metric",
        }


def test_protocol_of_one_metric_is_that_of_every_model(scores: dict[str, Scores]) -> None:
    found: dict[str, list[Any]] = {}
    for kind in KINDS:
        for name, metric in scores[kind].metrics.items():
            found.setdefault(name, []).append(metric["protocol"])
    assert all(protocol == protocols[0] for protocols in found.values() for protocol in protocols)
    samples = found["test/prior/frechet_distance"][0]
    assert (samples["num_real"], samples["num_generated"], samples["quantisation"]) == (
        16,
        16,
        "uint8",
    )
    assert (samples["num_repeats"], samples["num_train"], samples["metric"]) == (
        2,
        48,
        {"num_sizes": 15},
    )
    features = {"name": None, "pinned": None, "task": "classes", "weights_sha256": "0" * 64}
    assert samples["features"] == features
    assert found["test/reconstruction/mse"][0]["num_real"] == 20
    assert found["test/reconstruction_subset/mse"][0]["num_real"] == 6


def test_gan_says_how_it_was_inverted(scores: dict[str, Scores]) -> None:
    methods = [scores[kind].metrics["test/reconstruction_subset/mse"]["method"] for kind in KINDS]
    assert methods == ["encoder", "encoder", "latent optimised, 3 steps (inversion)"]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures(scores: dict[str, Scores], data: Path, kind: str) -> None:
    pictures = scores[kind].pictures
    sources = {
        "autoencoder": {"fitted_samples"},
        "vae": {"prior_samples", "fitted_samples"},
        "gan": {"prior_samples"},
    }
    assert set(pictures) == {"originals", "reconstructions", "closest_pairs"} | sources[kind]
    assert all(array.dtype == np.uint8 and array.shape[1:] == SHAPE for array in pictures.values())
    np.testing.assert_array_equal(pictures["originals"], read_split(data, "test").images)
    assert len(pictures["reconstructions"]) == 6, "of the subset, for every model"


def test_closest_pairs_are_a_sample_and_the_train_image_nearest_to_it(
    scores: dict[str, Scores], data: Path
) -> None:
    """Colours are the features: of every pair they are as near as any train image's are to that sample."""
    pairs = scores["gan"].pictures["closest_pairs"].reshape(-1, 2, *SHAPE)
    colours = ColourExtractor().extract(np.asarray(read_split(data, "train").images)).features
    for generated, train in pairs:
        one, other = ColourExtractor().extract(np.stack([generated, train])).features
        assert np.linalg.norm(one - other) == pytest.approx(
            np.linalg.norm(colours - one, axis=1).min(), abs=1e-6
        )


@pytest.mark.parametrize("kind", KINDS)
def test_latents_and_class_histograms(scores: dict[str, Scores], data: Path, kind: str) -> None:
    if kind == "gan":
        assert "latents" not in scores[kind].arrays
    else:
        assert scores[kind].arrays["latents"]["latents"].shape == (20, 3)
        np.testing.assert_array_equal(
            scores[kind].arrays["latents"]["labels"], read_split(data, "test").labels
        )
    for source, counts in scores[kind].arrays["class_histogram"].items():
        assert counts.sum() == 16
        assert source in ("real", "prior", "fitted")
    np.testing.assert_array_equal(scores[kind].arrays["class_histogram"]["real"], [8, 8])


def test_same_seed_same_scores(
    models: dict[str, TrainedModel], scores: dict[str, Scores], data: Path
) -> None:
    again = evaluate(models["vae"], ColourExtractor(), data, settings(), seed=4)
    assert (again.metrics, again.skipped) == (scores["vae"].metrics, scores["vae"].skipped)
    namesake = TrainedModel(
        models["vae"].model, models["vae"].settings | {"name": "other"}, models["vae"]._mixture
    )
    assert (
        evaluate(namesake, ColourExtractor(), data, settings(), seed=4).values() == again.values()
    )
    other = evaluate(models["vae"], ColourExtractor(), data, settings(), seed=5).values()
    assert other["test/prior/frechet_distance"] != again.values()["test/prior/frechet_distance"]
    assert other["test/reconstruction/mse"] == again.values()["test/reconstruction/mse"]


# What they are worth, with models whose images are known


class Constant:
    """Draws one picture, dark above and bright below, of class 1, whatever the latent; rebuilds everything as it."""

    def draw_latents(self, num_images: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal((num_images, 3), np.float32)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        picture = tf.concat([tf.zeros((4, 8, 3)), tf.fill((4, 8, 3), 0.6)], axis=0)
        return tf.tile(picture[None], (tf.shape(latents)[0], 1, 1, 1))

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        return tf.zeros((tf.shape(images)[0], 3))

    def reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        return self.decode(self.encode(images))

    def elbo_terms(self, images: tf.Tensor, seed: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.reduce_sum(images, axis=(1, 2, 3)), tf.fill((tf.shape(images)[0], 3), 0.5)


@pytest.fixture(scope="module")
def known(data: Path) -> dict[str, float]:
    facts = {
        "name": "known",
        "kind": "known",
        "image_shape": list(SHAPE),
        "settings": {"latent_dim": 3},
    }
    return evaluate(
        TrainedModel(Constant(), facts, None), ColourExtractor(), data, settings(), seed=0
    ).values()


def test_frechet_distance_in_closed_form(known: dict[str, float], data: Path) -> None:
    """All samples are equal, so their covariance is 0: left are the means' distance and the real images' variance."""
    colours = to_float(read_split(data, "test").images[:16]).mean(axis=(1, 2)).astype(np.float64)
    expected = np.sum((colours.mean(axis=0) - 0.3) ** 2) + colours.var(axis=0, ddof=1).sum()
    assert known["test/prior/frechet_distance"] == pytest.approx(expected, rel=1e-4)


def test_class_shares_of_a_collapsed_model(known: dict[str, float]) -> None:
    found = {name: known[f"test/prior/{name}"] for name in SHARES}
    assert found == {
        "smallest_class_share": 0,
        "largest_class_share": 2,
        "class_histogram_distance": 0.5,
    }


def test_reconstruction_error_by_hand(known: dict[str, float], data: Path) -> None:
    images = np.asarray(read_split(data, "test").images, np.float64) / 255
    errors = (
        np.square(images[:, :4]).mean(axis=(1, 2, 3))
        + np.square(images[:, 4:] - 0.6).mean(axis=(1, 2, 3))
    ) / 2
    assert known["test/reconstruction/mse"] == pytest.approx(errors.mean(), rel=1e-5)
    assert known["test/reconstruction_subset/mse"] == pytest.approx(errors[:6].mean(), rel=1e-5)
    assert known["test/reconstruction/psnr"] == pytest.approx(
        -10 * np.log10(errors).mean(), rel=1e-5
    )


def test_bound_by_hand(known: dict[str, float], data: Path) -> None:
    brightness = (read_split(data, "test").images / 255.0).sum(axis=(1, 2, 3)).mean()
    assert known["test/reconstruction/reconstruction_loss"] == pytest.approx(brightness, rel=1e-5)
    assert known["test/reconstruction/kl"] == pytest.approx(1.5)
    assert known["test/reconstruction/negative_elbo"] == pytest.approx(brightness + 1.5, rel=1e-5)


def test_pca_is_fitted_to_train_and_scored_on_test(known: dict[str, float], data: Path) -> None:
    """Against numpy's singular vectors; and it must be better than the mean of the train images."""
    train, test = (
        np.asarray(read_split(data, split).images, np.float64).reshape(-1, 192) / 255
        for split in ("train", "test")
    )
    mean = train.mean(axis=0)
    basis = np.linalg.svd(train - mean, full_matrices=False)[2][:3]
    rest = (test - mean) - (test - mean) @ basis.T @ basis
    assert known["test/pca/mse"] == pytest.approx(np.square(rest).mean(), rel=1e-4)
    assert known["test/pca/mse"] < 0.5 * np.square(test - mean).mean()


def test_pca_of_more_components_than_images_is_skipped(
    models: dict[str, TrainedModel], tmp_path: Path
) -> None:
    data = write_dataset(tmp_path, SHAPE, train=3)
    found = evaluate(models["gan"], ColourExtractor(), data, settings(), seed=4)
    assert found.skipped["test/pca/mse"] == "3 components are no fewer than 3"


# Inversion


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_inversion_comes_near_what_the_decoder_itself_made(prior: str) -> None:
    model = tiny_model("gan", (8, 8, 1), network="dense", widths=[16, 16], prior=prior)
    made = np.asarray(model.decode(model.draw_latents(5, seed=11)))
    search = settings(inversion={"steps": 150}).evaluation.inversion
    found = invert(model, made, search)
    assert (found.shape, found.dtype) == (made.shape, np.float32)
    spread = np.square(made - made.mean(axis=0)).mean()
    assert np.square(found - made).mean() < 0.02 * spread
    np.testing.assert_array_equal(invert(model, made, search), found)


def test_search_starts_at_the_nearest_draw(models: dict[str, TrainedModel]) -> None:
    """The starts' own images, in another order, are found with hardly a step."""
    search = settings(inversion={"steps": 1, "learning_rate": 1e-6}).evaluation.inversion
    model = models["gan"].model
    made = np.asarray(model.decode(model.draw_latents(16, seed=0)))[[9, 3, 12]]
    np.testing.assert_allclose(invert(model, made, search), made, atol=1e-5)


def test_longer_search_is_not_worse(models: dict[str, TrainedModel]) -> None:
    pictures, _ = halves(4, SHAPE, seed=5)
    images = to_float(pictures)
    errors = []
    for steps in (1, 60):
        found = invert(
            models["gan"].model, images, settings(inversion={"steps": steps}).evaluation.inversion
        )
        errors.append(np.square(found - images).mean())
    assert errors[1] < errors[0]


def test_images_are_inverted_on_their_own_whatever_the_batch(
    models: dict[str, TrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, _ = halves(5, SHAPE, seed=5)
    search = settings(inversion={"steps": 20}).evaluation.inversion
    together = invert(models["gan"].model, to_float(pictures), search)
    monkeypatch.setattr(inversion, "BATCH_SIZE", 2)
    apart = invert(models["gan"].model, to_float(pictures), search)
    np.testing.assert_allclose(apart, together, atol=1e-3)


def invert(model: Any, images: np.ndarray, search: Inversion) -> np.ndarray:
    return inversion.invert(model, images, search, 0)


def test_nearest_candidate_by_hand() -> None:
    images = np.array([[0.0, 0.0], [1.0, 1.0], [0.4, 0.0]], np.float32)
    candidates = np.array([[1.0, 0.8], [0.1, 0.0], [0.5, 0.5]], np.float32)
    np.testing.assert_array_equal(inversion.nearest(images, candidates), [1, 0, 1])


def test_model_of_another_image_shape_is_refused(
    models: dict[str, TrainedModel], tmp_path: Path
) -> None:
    data = write_dataset(tmp_path, (8, 8, 1))
    with pytest.raises(
        InputError,
        match=r"must hold images of the shape \(8, 8, 3\), on which my_autoencoder .* Received: \(8, 8, 1\).",
    ):
        evaluate(models["autoencoder"], ColourExtractor(), data, settings(), seed=0)


# Black-and-white images, floors


def test_distances_of_black_and_white_models_are_refused_on_features_of_grey_images(
    models: dict[str, TrainedModel], data: Path
) -> None:
    facts = models["vae"].settings | {"binarisation": "dynamic"}
    model = TrainedModel(models["vae"].model, facts, models["vae"]._mixture)
    found = evaluate(model, ColourExtractor(), data, settings(), seed=4)
    assert not (PRIOR | FITTED) & set(found.metrics)
    assert "black-and-white" in found.skipped["test/prior/frechet_distance"]
    assert found.pictures["prior_samples"].shape == (64, *SHAPE)
    assert set(np.unique(found.pictures["originals"])) == {0, 255}, "as the model sees them"
    assert found.metrics["test/reconstruction/mse"]["protocol"]["binarisation"] == "dynamic"


def test_floor_stands_beside_what_was_measured_alike(scores: dict[str, Scores]) -> None:
    from genlab.stages import evaluate as stage

    name = "test/prior/frechet_distance"
    protocol = scores["gan"].metrics[name]["protocol"]
    other = protocol | {"num_generated": 15}
    for floor, there in ((protocol, True), (other, False), (protocol | {"features": {}}, False)):
        found = dataclasses.replace(
            scores["gan"], metrics={name: dict(scores["gan"].metrics[name])}
        )
        number = {"value": 1.5, "interval": [1, 2], "protocol": floor}
        kinds = ("floor", "floor_halves")
        stage._add_floor(found, {f"test/{kind}/frechet_distance": number for kind in kinds})
        expected = {kind: {"value": 1.5, "interval": [1, 2]} for kind in kinds}
        assert found.metrics[name].get("floor") == (expected if there else None)


def test_held_out_classes_are_outliers_and_in_no_other_number(
    models: dict[str, TrainedModel], data: Path
) -> None:
    folder = data.parent / "held_out"
    shutil.copytree(data, folder)
    description = json.loads((folder / "dataset.json").read_text())
    description["held_out_classes"] = description["class_names"][1:]
    (folder / "dataset.json").write_text(json.dumps(description))
    inliers = int(np.sum(read_split(folder, "test").labels == 0))
    assert 0 < inliers < 20
    found = evaluate(models["vae"], ColourExtractor(), folder, settings(), seed=4)
    assert "test/held_out/auroc" in found.metrics
    assert found.metrics["test/held_out/auroc"]["protocol"]["num_outliers"] == 20 - inliers
    numbers = {
        metric["protocol"]["num_real"]
        for name, metric in found.metrics.items()
        if "_subset/" not in name
    }
    assert numbers <= {inliers, 4}, "4: of the likelihood"
    assert len(found.pictures["originals"]) == inliers
    assert not (names("prior", OF_CLASSES) | names("fitted", OF_CLASSES)) & set(found.metrics)
