"""Scores of trained models: which there are, what they are worth, and with which protocol."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from chapters import conditional, flow, growing, translator
from fixtures_models import ROOT, tiny_entry, tiny_model, tiny_params, tiny_spec, write_dataset

from genlab.contract.evidence import EvidenceBound, LogLikelihoods, Reconstructions, Samples
from genlab.contract.fields import Field, spec_to_json
from genlab.contract.score import Floor, Score
from genlab.evaluation import Scores, Task, evaluate, measure, results, sources
from genlab.features.extractor import Extracted
from genlab.imaging.arrays import STRATIFIED, choose_rows, read_split, to_float
from genlab.numerics import density
from genlab.runtime.errors import InputError
from genlab.settings import params, plugins
from genlab.settings.params import Evaluation, Params, build_section
from genlab.trained.model import TrainedModel

SHAPE = (8, 8, 3)
SPEC = tiny_spec(SHAPE) | {"inputs": Field(SHAPE, "image")}
FIXTURES: dict[str, Any] = {
    "conditional": (conditional, {"latent_dim": 3}),
    "flow": (flow, {}),
    "growing": (growing, {"latent_dim": 3, "grown_steps": 1, "grown_batch_size": 4}),
    "translator": (translator, {}),
}
KINDS = ("autoencoder", "vae", "gan", *FIXTURES)


class ColourExtractor:
    """Features are mean colours; the class is the brighter half of the image, as in `halves`."""

    is_scaled = True

    def __init__(self, num_classes: int = 2):
        self.num_classes = num_classes
        self.settings = {"task": "classes", "weights_sha256": "0" * 64}

    def extract(self, images: np.ndarray) -> Extracted:
        assert images.dtype == np.uint8
        upper, lower = images[:, :4].mean(axis=(1, 2, 3)), images[:, 4:].mean(axis=(1, 2, 3))
        return Extracted(to_float(images).mean(axis=(1, 2)), (lower > upper).astype(np.int64))


def small_params() -> Params:
    base = params.read_yaml(ROOT / "params.yaml")["evaluation"]
    small: dict[str, Any] = {
        "num_images": 16,
        "num_repeats": 2,
        "metrics": base["metrics"]
        | {
            "class_frechet_distance": {"min_images": 2},
            "kernel_distance": {"num_subsets": 2, "subset_size": 8},
        },
        "inversion": {"num_images": 6, "num_starts": 16, "steps": 3, "learning_rate": 0.1},
        "likelihood": {"num_images": 4, "num_samples": 3},
        "representations": {"num_train": 30},
        "few_labels": base["few_labels"] | {"steps": 2, "num_draws": 2},
    }
    evaluation = build_section(Evaluation, base | small, "tests")
    return tiny_params({"vae": tiny_entry("vae")}).model_copy(update={"evaluation": evaluation})


def task(model: TrainedModel, data: Path, seed: int = 4, num_classes: int = 2) -> Task:
    judges = {"colour": ColourExtractor(num_classes), "bright": ColourExtractor(num_classes)}
    return Task(model, judges, data, small_params(), seed)


def trained(model: Any, kind: str, mixture: Any = None, **facts: Any) -> TrainedModel:
    settings = {"name": f"my_{kind}", "kind": kind, "image_shape": list(SHAPE)}
    return TrainedModel(model, settings | {"fields": spec_to_json(SPEC)} | facts, mixture)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a data set whose inputs are the negatives of its images."""
    folder = write_dataset(tmp_path_factory.mktemp("data"), SHAPE)
    np.save(folder / "test_inputs.npy", 255 - read_split(folder, "test").images)
    return folder


def build(kind: str, data: Path) -> TrainedModel:
    """Returns a model with random weights, and what training adds to it."""
    if kind in FIXTURES:
        chapter, own = FIXTURES[kind]
        common = {"kind": kind, "steps": 1, "batch_size": 4, "learning_rate": 0.1}
        common |= {"monitor": None, "keep": "last", "patience": 0}
        return trained(chapter.build(chapter.Settings(**common, **own), SPEC), kind)
    model = tiny_model(kind, SHAPE, network="dense")
    if kind == "gan":
        return trained(model, kind)
    latents = np.asarray(model.encode(to_float(read_split(data, "train").images)))
    return trained(model, kind, density.fit(latents, 2, 0))


@pytest.fixture(scope="module")
def models(data: Path) -> dict[str, TrainedModel]:
    return {kind: build(kind, data) for kind in KINDS}


@pytest.fixture(scope="module")
def scores(models: dict[str, TrainedModel], data: Path) -> dict[str, Scores]:
    return {kind: evaluate(task(model, data)) for kind, model in models.items()}


# Which scores there are


def measures(*files: str) -> set[str]:
    return {name for file in files for name in plugins.find("metrics", file, "tests").MEASURES}


def names(source: str, metrics: set[str]) -> set[str]:
    return {f"test/{source}/{metric}" for metric in metrics}


CLASSES = measures("class_histogram", "class_frechet_distance")
SAMPLES = CLASSES | measures(
    *("frechet_distance", "kernel_distance", "precision_recall", "density_coverage"),
    *("memorisation", "pixel_copies", "repetitions"),
)
SAMPLES -= {"frechet_distance_infinite"}  # of 16 images nothing is extrapolated
PIXELS = measures("reconstruction_error", "structural_similarity")
PROBES = measures("linear_probe", "nearest_neighbour")
BOUND = measures("negative_elbo", "latent_use")
OUTLIERS = measures("outlier_detection")
LIKELIHOOD = names("likelihood", measures("negative_log_likelihood"))
PRIOR, FITTED = names("prior", SAMPLES), names("fitted", SAMPLES)
SEARCHED = names("inversion", PIXELS)
ENCODED = SEARCHED | names("reconstruction", PIXELS) | names("latent", PROBES)
ENCODED |= names("few_labels", measures("few_labels"))
for source in ("outliers", "outliers_pca", "outliers_entropy", "outliers_ink"):
    ENCODED |= names(source, OUTLIERS)
for source in ("few_labels_latent", "few_labels_pixels"):
    ENCODED |= names(source, PROBES)
VECTOR = names("pca", PIXELS) | names("latent_pca", PROBES)
ALWAYS = names("pixels", PROBES)
EXPECTED = {
    "autoencoder": FITTED | ENCODED | VECTOR,
    "vae": PRIOR | FITTED | ENCODED | VECTOR | LIKELIHOOD | names("reconstruction", BOUND),
    "gan": PRIOR | SEARCHED | VECTOR,
    "conditional": PRIOR | VECTOR | {"test/prior/label_agreement"},
    "flow": PRIOR | {"test/likelihood/negative_log_likelihood"},
    "growing": PRIOR | SEARCHED | VECTOR,
    "translator": names("translation", SAMPLES | PIXELS),
}
EXPECTED["vae"] |= names("outliers_bound", OUTLIERS)
EVERYTHING = set().union(*EXPECTED.values()) | names("held_out", OUTLIERS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_is_there_or_skipped_with_a_reason(
    scores: dict[str, Scores], kind: str
) -> None:
    metrics, skipped = scores[kind].metrics, scores[kind].skipped
    assert set(metrics) == EXPECTED[kind] | ALWAYS
    assert not set(metrics) & set(skipped)
    missing = EVERYTHING - set(metrics) - set(skipped)
    assert {name for name in missing if not name.startswith("test/translation/")} == set()
    assert all(skipped.values())
    assert np.isfinite(list(scores[kind].values().values())).all()


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("autoencoder", "prior/frechet_distance", "autoencoder has no prior"),
        ("autoencoder", "reconstruction/kl", "autoencoder has no posterior"),
        ("gan", "fitted/recall", "gan has no encoder, so no latents to fit a density to"),
        ("gan", "reconstruction/mse", "gan has no encoder; see inversion"),
        ("gan", "reconstruction/negative_elbo", "gan has no posterior"),
        ("gan", "prior/label_agreement", "no classes were asked for"),
        ("flow", "pca/mse", "flow has no latent vector"),
        ("flow", "latent_pca/linear_probe_accuracy", "flow has no latent vector"),
        ("conditional", "reconstruction/mse", "conditional has no encoder"),
        (
            "conditional",
            "inversion/mse",
            "conditional makes no images from a latent vector alone",
        ),
        ("translator", "reconstruction/mse", "translator has no encoder; see translation"),
        ("translator", "translation/label_agreement", "no classes were asked for"),
    ],
)
def test_reasons(scores: dict[str, Scores], kind: str, name: str, reason: str) -> None:
    assert scores[kind].skipped[f"test/{name}"] == reason


@pytest.mark.parametrize("kind", KINDS)
def test_sources_say_where_the_evidence_comes_from(
    scores: dict[str, Scores], models: dict[str, TrainedModel], kind: str
) -> None:
    examples = {
        Samples: "precision",
        Reconstructions: "mse",
        EvidenceBound: "kl",
        LogLikelihoods: "negative_log_likelihood",
    }
    given = sources(models[kind].model)
    for evidence, name in examples.items():
        if evidence in given:
            assert f"test/{given[evidence]}/{name}" in scores[kind].metrics
        else:
            others = {n.split("/")[1] for n in scores[kind].metrics if n.endswith(f"/{name}")}
            assert others <= {"pca"}


def test_measuring_gathers_no_more_than_is_listed(
    models: dict[str, TrainedModel], data: Path, scores: dict[str, Scores]
) -> None:
    listed = {"reconstruction_error": {}}
    whole = task(models["vae"], data)
    evaluation = whole.settings.model_copy(update={"metrics": listed})
    few = whole.params.model_copy(update={"evaluation": evaluation})
    measured = measure(dataclasses.replace(whole, params=few))
    ends = ("/mse", "/mae", "/psnr")
    expected = {n for n in EXPECTED["vae"] - SEARCHED if n.endswith(ends)}
    assert measured.metrics == {name: scores["vae"].metrics[name] for name in expected}
    assert set(measured.pictures) == {"originals", "reconstructions"}


def test_images_without_classes_have_no_shares(models: dict[str, TrainedModel], data: Path) -> None:
    unclassed = evaluate(task(models["conditional"], data, num_classes=0))
    assert not names("prior", CLASSES | {"label_agreement"}) & set(unclassed.metrics)
    assert "test/prior/frechet_distance" in unclassed.metrics
    for name in ("smallest_class_share", "label_agreement"):
        assert unclassed.skipped[f"test/prior/{name}"] == "the images have no classes"
    assert "class_histogram" not in unclassed.arrays


# What a number carries


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_an_interval_and_a_protocol(scores: dict[str, Scores], kind: str) -> None:
    common = {"split", "num_real", "seed", "genlab_version", "quantisation", "metric"}
    counts = {"class_frechet_distance_classes", "active_units"}
    for name, score in scores[kind].metrics.items():
        assert (score.interval is None) == (name.split("/")[2] in counts)
        assert score.interval is None or score.interval[0] <= score.value <= score.interval[1]
        assert set(score.protocol) >= common
        assert Score.from_json(json.loads(json.dumps(score.to_json()))) == score


def test_protocol_of_one_metric_is_that_of_every_model(scores: dict[str, Scores]) -> None:
    protocols: dict[str, list[Any]] = {}
    for kind in ("autoencoder", "vae", "gan", "growing"):
        for name, score in scores[kind].metrics.items():
            protocols.setdefault(name, []).append(score.protocol)
    assert all(protocol == same[0] for same in protocols.values() for protocol in same)
    samples = protocols["test/prior/frechet_distance"][0]
    facts = {"pinned": None, "task": "classes", "weights_sha256": "0" * 64, "scaled": True}
    features = {"colour": facts, "bright": facts}
    assert samples == samples | {
        "num_real": 16,
        "num_generated": 16,
        "num_train": 48,
        "num_repeats": 2,
        "quantisation": "uint8",
        "metric": {"num_sizes": 15},
        "features": features,
    }
    assert protocols["test/reconstruction/mse"][0]["num_real"] == 20
    assert protocols["test/inversion/mse"][0]["num_real"] == 6
    assert "given" not in samples


@pytest.mark.parametrize("number", [6, 20, 30])
def test_given_rows_are_those_of_the_real_images(
    models: dict[str, TrainedModel], data: Path, number: int
) -> None:
    """The inputs of `data` are the negatives of its images; too few rows repeat."""
    scored = task(models["translator"], data)
    images = scored.real.images[np.resize(scored.rows(number), number)]
    np.testing.assert_array_equal(scored.given(("inputs",), number)["inputs"], 255 - images)


@pytest.mark.parametrize(
    ("kind", "name", "given"),
    [
        ("conditional", "prior/recall", "labels of the test split"),
        ("translator", "translation/recall", "inputs of the test split"),
        ("translator", "translation/mse", "inputs of the test split"),
    ],
)
def test_protocol_names_what_was_given(
    scores: dict[str, Scores], kind: str, name: str, given: str
) -> None:
    assert scores[kind].metrics[f"test/{name}"].protocol["given"] == given


SEARCH = {
    "search": {"num_starts": 16, "steps": 3, "learning_rate": 0.1, "optimizer": "adam, cosine"}
}


@pytest.mark.parametrize(
    ("kind", "name", "method", "protocol"),
    [
        ("vae", "reconstruction/mse", "encoder", {"num_real": 20, "real_images": "all"}),
        ("vae", "inversion/mse", "latent optimised, 3 steps (inversion)", SEARCH),
        ("autoencoder", "inversion/mse", "latent optimised, 3 steps (inversion)", SEARCH),
        (
            "gan",
            "inversion/mse",
            "latent optimised, 3 steps (inversion)",
            SEARCH | {"real_images": STRATIFIED, "num_real": 6},
        ),
        (
            "vae",
            "likelihood/negative_log_likelihood",
            "importance sampling, 3 samples",
            {"num_samples": 3, "num_real": 4, "likelihood": "bernoulli on grey values"},
        ),
        (
            "flow",
            "likelihood/negative_log_likelihood",
            "change of variables, 3 samples",
            {"likelihood": "density of grey values"},
        ),
    ],
)
def test_method(
    scores: dict[str, Scores], kind: str, name: str, method: str, protocol: dict[str, Any]
) -> None:
    score = scores[kind].metrics[f"test/{name}"]
    assert score.method == method
    assert score.protocol == score.protocol | protocol


def test_same_seed_same_scores(
    models: dict[str, TrainedModel], scores: dict[str, Scores], data: Path
) -> None:
    vae, name = models["vae"], "test/prior/frechet_distance"
    again = evaluate(task(vae, data))
    assert (again.metrics, again.skipped) == (scores["vae"].metrics, scores["vae"].skipped)
    other = evaluate(task(vae, data, seed=5)).values()
    assert other[name] != again.values()[name]
    assert other["test/reconstruction/mse"] == again.values()["test/reconstruction/mse"]


# Pictures and arrays


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_arrays(scores: dict[str, Scores], data: Path, kind: str) -> None:
    pictures, arrays, test = scores[kind].pictures, scores[kind].arrays, read_split(data, "test")
    samples = {name.split("/")[1] for name in EXPECTED[kind] if name.endswith("/recall")}
    rebuilt = (
        {"reconstructions"} if any(n.endswith("/mse") for n in EXPECTED[kind] - VECTOR) else set()
    )
    expected = {"originals", "closest_pairs", *(f"{source}_samples" for source in samples)}
    assert set(pictures) == expected | rebuilt
    assert all(array.dtype == np.uint8 and array.shape[1:] == SHAPE for array in pictures.values())
    np.testing.assert_array_equal(pictures["originals"], test.images[choose_rows(test.labels, 6)])
    walks = {"interpolations", "traversals"} & set(arrays)
    assert len(walks) == (2 if kind in ("autoencoder", "vae", "gan", "growing") else 0)
    if kind in ("autoencoder", "vae"):
        assert arrays["latents"]["latents"].shape == (20, 3)
        np.testing.assert_array_equal(arrays["latents"]["labels"], test.labels)
    assert set(arrays["class_histogram"]) == {"real", *samples}
    assert {counts.sum() for counts in arrays["class_histogram"].values()} == {16}
    np.testing.assert_array_equal(arrays["class_histogram"]["real"], [8, 8])


def test_closest_pairs_are_a_sample_and_its_nearest_train_image(
    scores: dict[str, Scores], data: Path
) -> None:
    """Colours are the features: no train image is nearer to the sample."""
    pairs = scores["gan"].pictures["closest_pairs"].reshape(-1, 2, *SHAPE)
    colours = ColourExtractor().extract(np.asarray(read_split(data, "train").images)).features
    for pair in pairs:
        one, other = ColourExtractor().extract(pair).features
        nearest = np.linalg.norm(colours - one, axis=1).min()
        assert np.linalg.norm(one - other) == pytest.approx(nearest, abs=1e-6)


# What they are worth, with models whose images are known


class Constant:
    """Draws one picture, dark above and bright below, whatever the latent; rebuilds all as it."""

    given: tuple[str, ...] = ()
    prior = "normal"
    latent_dim = 3
    noise_shape = (3,)

    def generate(self, noise: tf.Tensor, given: Any) -> tf.Tensor:
        return self.decode(noise)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        picture = tf.concat([tf.zeros((4, 8, 3)), tf.fill((4, 8, 3), 0.6)], axis=0)
        nothing = 0 * tf.reduce_sum(latents, axis=1)[:, None, None, None]  # but a gradient
        return tf.tile(picture[None], (tf.shape(latents)[0], 1, 1, 1)) + nothing

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        return tf.zeros((tf.shape(images)[0], 3))

    def posterior(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.encode(images), self.encode(images)

    def draw_posterior(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return self.encode(images)

    def elbo_terms(self, images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.reduce_sum(images, axis=(1, 2, 3)), tf.fill((tf.shape(images)[0], 3), 0.5)


class Asked:
    """Draws the asked class: the half that is to be bright is white."""

    given = ("labels",)
    prior = "normal"
    noise_shape = (3,)

    def generate(self, noise: tf.Tensor, given: Any) -> tf.Tensor:
        upper = tf.cast(given["labels"] == 0, tf.float32)[:, None, None, None]
        halves = [tf.tile(half, (1, 4, 8, 3)) for half in (upper, 1 - upper)]
        return tf.concat(halves, axis=1)


class Negative:
    """Turns the inputs of `data` back into its images."""

    given = ("inputs",)
    prior = "normal"
    noise_shape = ()

    def generate(self, noise: tf.Tensor, given: Any) -> tf.Tensor:
        return 1 - given["inputs"]


@pytest.fixture(scope="module")
def known(data: Path) -> dict[str, float]:
    return evaluate(task(trained(Constant(), "known"), data, seed=0)).values()


def test_samples_of_a_collapsed_model(known: dict[str, float], data: Path) -> None:
    """All are equal, without covariance: left are the means' distance and the real variance."""
    test = read_split(data, "test")
    chosen = to_float(test.images[choose_rows(test.labels, 16)])
    colours = chosen.mean(axis=(1, 2)).astype(np.float64)
    expected = np.sum((colours.mean(axis=0) - 0.3) ** 2) + colours.var(axis=0, ddof=1).sum()
    expected /= colours.var(axis=0).mean()
    assert known["test/prior/frechet_distance"] == pytest.approx(expected, rel=1e-4)
    assert known["test/prior/smallest_class_share"] == 0
    assert known["test/prior/largest_class_share"] == 2
    assert known["test/prior/class_histogram_distance"] == 0.5


def test_reconstruction_error_by_hand(known: dict[str, float], data: Path) -> None:
    images = np.asarray(read_split(data, "test").images, np.float64) / 255
    halves = np.square(images[:, :4]), np.square(images[:, 4:] - 0.6)
    errors = sum(half.mean(axis=(1, 2, 3)) for half in halves) / 2
    chosen = choose_rows(read_split(data, "test").labels, 6)
    assert known["test/reconstruction/mse"] == pytest.approx(errors.mean(), rel=1e-5)
    assert known["test/inversion/mse"] == pytest.approx(errors[chosen].mean(), rel=1e-5)
    psnr = -10 * np.log10(errors).mean()
    assert known["test/reconstruction/psnr"] == pytest.approx(psnr, rel=1e-5)


def test_bound_by_hand(known: dict[str, float], data: Path) -> None:
    brightness = (read_split(data, "test").images / 255.0).sum(axis=(1, 2, 3)).mean()
    assert known["test/reconstruction/reconstruction_loss"] == pytest.approx(brightness, rel=1e-5)
    assert known["test/reconstruction/kl"] == pytest.approx(1.5)
    assert known["test/reconstruction/negative_elbo"] == pytest.approx(brightness + 1.5, rel=1e-5)


def test_pca_is_fitted_to_train_and_scored_on_test(known: dict[str, float], data: Path) -> None:
    """Against numpy's singular vectors."""
    train, test = (
        np.asarray(read_split(data, split).images, np.float64).reshape(-1, 192) / 255
        for split in ("train", "test")
    )
    mean = train.mean(axis=0)
    basis = np.linalg.svd(train - mean, full_matrices=False)[2][:3]
    rest = (test - mean) - (test - mean) @ basis.T @ basis
    assert known["test/pca/mse"] == pytest.approx(np.square(rest).mean(), rel=1e-4)


def test_a_model_that_draws_what_it_is_asked_for_agrees(data: Path) -> None:
    asked = evaluate(task(trained(Asked(), "asked"), data)).metrics["test/prior/label_agreement"]
    assert (asked.value, asked.unit) == (1, "share of the generated images")
    stubborn = Constant()
    stubborn.given = ("labels",)  # and draws the lower half, class 1, all the same
    share = np.mean(read_split(data, "test").labels[:16] == 1)
    values = measure(task(trained(stubborn, "stubborn"), data)).values()
    assert values["test/prior/label_agreement"] == share == 0.5


def test_a_perfect_translation_has_no_error(data: Path) -> None:
    scores = evaluate(task(trained(Negative(), "negative"), data))
    assert scores.metrics["test/translation/mse"].value == pytest.approx(0, abs=1e-12)
    images, labels = read_split(data, "test")
    for name, number in (("reconstructions", 6), ("translation_samples", 16)):
        expected = images[choose_rows(labels, number)]
        np.testing.assert_array_equal(scores.pictures[name], expected)


def test_unaligned_inputs_have_no_ground_truth(data: Path) -> None:
    fields = SPEC | {"inputs": Field(SHAPE, "image", aligned=False)}
    model = trained(Negative(), "negative", fields=spec_to_json(fields))
    scores = evaluate(task(model, data))
    reason = "the inputs have no images of their own"
    assert scores.skipped["test/translation/mse"] == reason
    assert "test/translation/frechet_distance" in scores.metrics


# What is refused or left out


def test_pca_of_more_components_than_images_is_skipped(
    models: dict[str, TrainedModel], tmp_path: Path
) -> None:
    scores = evaluate(task(models["gan"], write_dataset(tmp_path, SHAPE, train=3)))
    assert scores.skipped["test/pca/mse"] == "3 components are no fewer than 3"


def test_model_of_another_image_shape_is_refused(
    models: dict[str, TrainedModel], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        evaluate(task(models["gan"], write_dataset(tmp_path, (8, 8, 1))))
    assert "images of the shape (8, 8, 3), on which my_gan" in error.value.expected
    assert error.value.received == "(8, 8, 1)"


def test_black_and_white_models_have_no_distances_on_features_of_grey_images(
    models: dict[str, TrainedModel], data: Path
) -> None:
    model = trained(models["gan"].model, "gan", binarisation="dynamic")
    scores = evaluate(task(model, data))
    assert not PRIOR & set(scores.metrics)
    assert "black-and-white" in scores.skipped["test/prior/frechet_distance"]
    assert scores.pictures["prior_samples"].shape == (64, *SHAPE)
    assert set(np.unique(scores.pictures["originals"])) == {0, 255}, "as the model sees them"
    protocol = scores.metrics["test/inversion/mse"].protocol
    assert protocol["binarisation"] == "dynamic"


def test_held_out_classes_are_outliers_and_in_no_other_number(
    models: dict[str, TrainedModel], data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "held_out"
    shutil.copytree(data, folder)
    description = json.loads((folder / "dataset.json").read_text())
    description["held_out_classes"] = description["class_names"][1:]
    (folder / "dataset.json").write_text(json.dumps(description))
    scores = evaluate(task(models["vae"], folder))
    assert scores.metrics["test/held_out/auroc"].protocol["num_outliers"] == 10
    numbers = {score.protocol["num_real"] for score in scores.metrics.values()}
    assert numbers == {10, 6, 4}, "6 of inversion, 4 of the likelihood"
    originals, dark = scores.pictures["originals"], slice(4, 8)  # the lower half of class 0
    assert len(originals) == 6
    assert originals[:, dark].max() < 60, "class 0 alone"
    assert not (names("prior", CLASSES) | names("fitted", CLASSES)) & set(scores.metrics)
    given = task(models["conditional"], folder).given(("labels",), 12)["labels"]
    assert given.tolist() == [0] * 12, "rows of the inliers, again from the first"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {kind: Floor(1.5, (1.0, 2.0)) for kind in ("floor", "floor_halves")}),
        ({"num_generated": 15}, {}),
        ({"features": {}}, {}),
    ],
)
def test_floor_is_beside_what_was_measured_alike(
    scores: dict[str, Scores], changes: dict[str, Any], expected: dict[str, Floor]
) -> None:
    name = "test/prior/frechet_distance"
    score = scores["gan"].metrics[name]
    copy = dataclasses.replace(scores["gan"], metrics={name: score})
    number = dataclasses.replace(
        score, value=1.5, interval=(1.0, 2.0), protocol=score.protocol | changes
    )
    floors = {f"test/{kind}/frechet_distance": number for kind in ("floor", "floor_halves")}
    results.add_floor(copy, floors)
    assert copy.metrics[name] == dataclasses.replace(score, floor=expected)
    del floors["test/floor_halves/frechet_distance"]
    results.add_floor(copy, floors)
    alone = {kind: floor for kind, floor in expected.items() if kind == "floor"}
    assert copy.metrics[name].floor == alone, "memorisation has no halves"
