"""Which source's numbers stand for a model: `prior` in `test/prior/frechet_distance`."""

from genlab.contract.capabilities import Encodes, Generates, HasLikelihood, HasPosterior
from genlab.contract.steps import Model
from genlab.measurement.evidence import (
    Evidence,
    EvidenceBound,
    ImportanceWeights,
    Reconstructions,
    Samples,
)


def main_sources(model: Model) -> dict[type[Evidence], str]:
    """Returns the source of each kind of evidence that the model gives."""
    sources: dict[type[Evidence], str] = {Reconstructions: "reconstruction_subset"}
    if isinstance(model, Encodes):
        sources |= {Samples: "fitted", Reconstructions: "reconstruction"}
    if isinstance(model, Generates):
        sources[Samples] = "prior"
    if isinstance(model, HasPosterior):
        sources[EvidenceBound] = "reconstruction"
    if isinstance(model, HasLikelihood):
        sources[ImportanceWeights] = "likelihood"
    return sources
