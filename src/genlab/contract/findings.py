"""What is wrong with a model's samples, in words: it follows from their scores alone."""

from collections.abc import Iterator, Mapping

from genlab.contract import comparison
from genlab.contract.score import Score

NEAR_FLOOR, FAR_FROM_FLOOR = 2.0, 5.0
ABOVE_FLOOR = 1.5
"""From here a distance is not that of real images: of MNIST's, blurred by half a pixel, it is 1.7,
of others of the same number 1.0."""
FEWEST, MOST = 0.5, 1.5
MOST_REPEATED = 0.001


def of_samples(scores: Mapping[str, Score], source: str) -> list[str]:
    """Returns what the samples of one source do that they should not, as clauses without a subject.

    Args:
        scores: By full name: `test/prior/recall`.
        source: `prior`.
    """
    prefix = f"test/{source}/"
    own = {
        name.removeprefix(prefix): score
        for name, score in scores.items()
        if name.startswith(prefix)
    }
    texts = [*_far(own), *_classes(own), *_missed(own), *_crowded(own), *_repeated(own)]
    if copies := comparison.copies(scores, source):
        texts.append(f"are partly known images: {copies}")
    return texts


def times_floor(score: Score | None) -> float | None:
    """Returns a distance in units of what real images have to real ones, if both are known."""
    floor = _floor(score)
    return score.value / floor if score and floor else None


def _floor(score: Score | None) -> float | None:
    """Returns what real images score, if it is known and above 0."""
    floor = score.floor.get("floor") if score else None
    return floor.value if floor and floor.value > 0 else None


def _far(scores: Mapping[str, Score]) -> Iterator[str]:
    ratio = times_floor(scores.get(comparison.DECIDING))
    if ratio is not None and ratio > FAR_FROM_FLOOR:
        yield f"are far from the data ({ratio:.2g} times the floor)"


def _classes(scores: Mapping[str, Score]) -> Iterator[str]:
    smallest, largest = (scores.get(f"{name}_class_share") for name in ("smallest", "largest"))
    if smallest and comparison.interval(smallest)[1] < FEWEST:
        yield f"neglect a class (the rarest has {smallest.value:.2f} of its share)"
    if largest and comparison.interval(largest)[0] > MOST:
        yield f"favour a class (the commonest has {largest.value:.2f} times its share)"


def _missed(scores: Mapping[str, Score]) -> Iterator[str]:
    recall, real = scores.get("recall"), _floor(scores.get("recall"))
    if recall and real and recall.value < FEWEST * real:
        yield f"miss much of the data (recall {recall.value:.2f}, real images {real:.2f})"


def _crowded(scores: Mapping[str, Score]) -> Iterator[str]:
    """Yields that more than real images have is no merit, where the distance says otherwise."""
    precision, density = (scores.get(name) for name in ("precision", "density"))
    precise, dense = _floor(precision), _floor(density)
    ratio = times_floor(scores.get(comparison.DECIDING))
    if not (precision and density and precise and dense and ratio):
        return
    if ratio >= ABOVE_FLOOR and precision.value > precise and density.value > dense:
        yield (
            f"have more precision and density than real images ({precision.value:.2f} and "
            f"{density.value:.2f}, real ones {precise:.2f} and {dense:.2f}), as blurred images "
            "and crowded ones do: no merit"
        )


def _repeated(scores: Mapping[str, Score]) -> Iterator[str]:
    repeated = scores.get("repeated_share")
    if repeated and comparison.interval(repeated)[0] > MOST_REPEATED:
        yield f"repeat each other (a share of {comparison.told(repeated)} equals another one)"
