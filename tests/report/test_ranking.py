"""Which values stand in one row, which is best, and what the page says of it in sentences."""

from pathlib import Path
from typing import Any

import pytest
from report_workspace import MSE, PCA, PRIOR, SEARCHED, distance, score

from genlab.contract.score import Score
from genlab.report import card, table, words
from genlab.report.laboratory import Laboratory, ReportedModel
from genlab.report.ranking import rank
from genlab.report.revision import Revision
from genlab.runtime.errors import InputError


def model(name: str, scores: dict[str, Any]) -> ReportedModel:
    settings = {"kind": "vae", "settings": {"latent_dim": 5}}
    numbers = {key: Score.from_json(values) for key, values in scores.items()}
    return ReportedModel(name, settings, numbers)


def models(*scores: dict[str, Any], metric: str = PRIOR) -> list[ReportedModel]:
    return [model(name, {metric: one}) for name, one in zip("abc", scores, strict=False)]


def laboratory(compared: list[ReportedModel]) -> Laboratory:
    return Laboratory(None, {}, {}, {}, compared, Path(), Revision())  # type: ignore[arg-type]


def summary(*compared: ReportedModel) -> dict[str, str]:
    return {finding.topic: finding.text for finding in words.summary(laboratory([*compared]))}


NEGLECT = {PRIOR: distance(4.0), "test/prior/smallest_class_share": score(0.42)}
FAVOUR = {PRIOR: distance(4.0), "test/prior/largest_class_share": score(1.6)}
HIGH, LESS_HIGH = (
    score(value, "higher", floor={"floor": {"value": 0.9, "interval": None}})
    for value in (0.95, 0.91)
)
NEAR_UNSEEN = score(  # validation images have nearly as much
    0.03, interval=(0.025, 0.035), floor={"floor": {"value": 0.017, "interval": None}}
)
CROWDED = score(1.36, "none", floor={"floor": {"value": 0.98, "interval": None}})
LOW = score(0.7, "higher", floor={"floor": {"value": 0.9, "interval": None}})
DENSITY, PRECISION = "test/prior/density", "test/prior/precision"
RECALL = score(0.02, "higher", floor={"floor": {"value": 0.88, "interval": None}})
FEW, TOO_FEW = {"protocol": {"num_real": 999}}, "999 real images are too few"


@pytest.mark.parametrize(
    ("metric", "scores", "order", "best", "unranked"),
    [
        (PRIOR, [distance(9.0), distance(4.0), distance(6.0)], "bca", "b", ""),
        ("test/prior/recall", [score(0.2, "higher"), score(0.9, "higher")], "ba", "b", ""),
        (PRIOR, [distance(4.0), distance(5.0)], "ab", "ab", ""),  # both reach 4.5
        (PRIOR, [distance(4.0), distance(5.1)], "ab", "a", ""),
        (PRIOR, [distance(4.0)], "a", "", ""),
        (PRIOR, [distance(4.0, direction="none"), distance(5.0, direction="none")], "ab", "", ""),
        (PCA, [score(1.0), score(2.0)], "ab", "", ""),
        ("test/outliers_pca/auroc", [score(0.9, "higher"), score(0.7, "higher")], "ab", "", ""),
        (PRIOR, [distance(4.0, **FEW), distance(9.0, **FEW)], "ab", "", TOO_FEW),
        (MSE, [score(4.0, **FEW), score(9.0, **FEW)], "ab", "a", ""),
        (PRIOR, [distance(2.4), distance(1.0), distance(9.0)], "abc", "ab", ""),  # below the floor
        ("test/prior/precision", [HIGH, LESS_HIGH], "ab", "ab", ""),  # above it
        ("test/prior/density", [score(0.9, "none"), score(1.3, "none")], "ab", "", ""),
    ],
)  # fmt: skip
def test_ranking(metric: str, scores: Any, order: str, best: str, unranked: str) -> None:
    ranking = rank(models(*scores, metric=metric), metric)
    assert "".join(one.name for one in ranking.models) == order
    assert ("".join(ranking.best), ranking.unranked) == (best, unranked)


def test_bars_that_need_no_model_stand_beside_its_score() -> None:
    areas = {"outliers": 0.9, "outliers_bound": 0.95, "outliers_pca": 0.7, "outliers_ink": 0.5}
    scores = {f"test/{source}/auroc": score(area, "higher") for source, area in areas.items()}
    notes = {line.metric: line.note for line in table.REPRESENTATION_LINES if line.note}
    for source in ("outliers", "outliers_bound"):
        assert notes[f"test/{source}/auroc"](model("a", scores)) == "PCA 0.700, ink 0.500"


def test_another_protocol_is_refused_with_the_difference() -> None:
    other = distance(4.0, protocol={"split": "test", "seed": 8, "resize": "none"})
    ranking = rank(models(distance(9.0), other, distance(6.0)), PRIOR)
    why = "measured by another protocol: resize is none, elsewhere missing; seed is 8, elsewhere 7"
    assert (ranking.refused, ranking.best) == ({"b": why}, ["c"])
    assert [*rank(models(distance(9.0), other), PRIOR).refused] == ["b"]  # the first one's stays


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        (
            [distance(31.27), distance(4.5)],
            "This training of b has the smallest Fréchet distance, "
            "4.50 (1.8 times the floor, near it). Then a 31.3 (13 times the floor, weak). "
            "The floor, real images against real images, is 2.50.",
        ),
        (
            [distance(9.0), distance(9.5), distance(20.0)],
            "a 9.00 (3.6 times the floor) and b 9.50 (3.8 times the floor) are not told apart "
            "as to the smallest Fréchet distance: their intervals overlap. Then c 20.0",
        ),
        ([distance(9.0)], "Only a 9.00 (3.6 times the floor)."),
        ([distance(4.0, **FEW), distance(9.0, **FEW)], f"Not ranked, because {TOO_FEW}. Measured:"),
    ],
)
def test_summary_of_samples(scores: list[dict[str, Any]], text: str) -> None:
    assert summary(*models(*scores))["Prior samples"].startswith(text)


KERNEL = "test/prior/kernel_distance"


@pytest.mark.parametrize(
    ("kernels", "text"),
    [
        (
            (250.0, 383.0),
            "By the kernel distance a would be best, by the Fréchet distance b. The kernel is a "
            "cube: a few large features rule it,",
        ),
        ((383.0, 250.0), ""),
        ((250.0, 250.0), ""),
    ],
)
def test_a_kernel_distance_that_disagrees_is_explained(
    kernels: tuple[float, float], text: str
) -> None:
    numbers = zip("ab", (31.8, 19.8), kernels, strict=True)
    compared = [
        model(name, {PRIOR: distance(one), KERNEL: score(other)}) for name, one, other in numbers
    ]
    found = summary(*compared).get("Prior samples, kernel distance", "")
    assert found.startswith(text)
    assert bool(found) == bool(text)


def test_summary_of_reconstructions() -> None:
    errors = {MSE: score(0.03126), PCA: score(0.0521), SEARCHED: score(0.0311)}
    found = summary(model("a", errors), model("b", errors | {SEARCHED: score(0.02)}))
    assert "0.0313 per pixel (40 % below PCA with 5 components)" in found["Reconstruction"]
    assert "training of b has the smallest" in found["Reconstruction by search"]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ((4.0, 9.0), ", the best of these 2 trainings."),
        ((9.0, 4.0), "; b is better."),
        ((4.0, 4.1), ", not told apart from the best of these 2 trainings."),
        ((9.0, 4.0, 4.1), "; b and c are better."),
        ((4.0,), "floor, near it)."),
    ],
)
def test_place_of_one_model(values: tuple[float, ...], place: str) -> None:
    compared = models(*map(distance, values))
    assert words.about(laboratory(compared), compared[0])[0].text.endswith(place)


@pytest.mark.parametrize(
    ("scores", "weakness"),
    [
        ({PRIOR: distance(26.0)}, "Prior samples are far from the data (10 times the floor)."),
        (NEGLECT, "Prior samples neglect a class (the rarest has 0.42 of its share)."),
        (
            {PRIOR: distance(4.0), "test/prior/recall": RECALL},
            "Prior samples miss much of the data (recall 0.02, real images 0.88).",
        ),
        (
            {PRIOR: distance(4.0), "test/prior/copied_share": score(1.0, interval=(0.98, 1.0))},
            "Prior samples are partly known images: a share of 1 (0.98 to 1) copies train images.",
        ),
        (
            {PRIOR: distance(4.0), "test/prior/copied_share": score(0.03, interval=(0.01, 0.05))},
            None,
        ),
        (FAVOUR, "Prior samples favour a class (the commonest has 1.60 times its share)."),
        (
            {MSE: score(0.04), PCA: score(0.02), words.ACTIVE: score(2.0, "none")},
            "Reconstructions are no better than those of PCA of the same latent size "
            "(100 % above it) and only 2 of 5 latent dimensions are in use.",
        ),
        (
            {
                PRIOR: distance(4.0),
                "test/prior/pixel_copied_share": score(0.1, interval=(0.05, 0.15)),
            },
            "Prior samples are partly known images: a share of 0.1 (0.05 to 0.15) copies train "
            "images.",
        ),
        (
            {PRIOR: distance(4.0), "test/prior/repeated_share": score(0.5, interval=(0.4, 0.6))},
            "Prior samples repeat each other (a share of 0.5 (0.4 to 0.6) equals another one).",
        ),
        (
            {PRIOR: distance(3.8), DENSITY: CROWDED, PRECISION: HIGH},
            "Prior samples have more precision and density than real images (0.95 and 1.36, real "
            "ones 0.90 and 0.98), as blurred images and crowded ones do: no merit.",
        ),
        ({PRIOR: distance(3.7), DENSITY: CROWDED, PRECISION: HIGH}, None),
        ({PRIOR: distance(4.0), "test/prior/copied_share": NEAR_UNSEEN}, None),
        ({PRIOR: distance(6.0), DENSITY: CROWDED, PRECISION: LOW}, None),
        (
            {
                PRIOR: distance(4.0),
                "test/prior/smallest_class_share": score(0.4, interval=(0.2, 0.6)),
            },
            None,
        ),
        ({PRIOR: distance(4.0), MSE: score(0.01), PCA: score(0.02)}, None),
        ({words.ACTIVE: score(3.0, "none")}, None),
    ],
)
def test_weak_results_are_called_weak(scores: dict[str, Any], weakness: str | None) -> None:
    assert summary(model("a", scores)).get("Weak: a") == weakness


def test_validation_in_words() -> None:
    checks = [{"success": True}, {"severity": "warning"}, {"severity": "critical"}]
    assert words.validation(checks[:1]) == "1 of 1 checks passed."
    assert words.validation(checks) == "1 of 3 checks passed; 1 warned; 1 failed."


def test_every_chapter_names_its_paper() -> None:
    papers = {"autoencoder": "Hinton", "vae": "Kingma", "gan": "Goodfellow"}
    assert all(card.chapter_of(kind)[1].startswith(author) for kind, author in papers.items())
    with pytest.raises(InputError) as error:
        card.chapter_of("nothing")
    assert error.value.received == "'nothing'"
