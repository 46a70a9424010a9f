"""Where each kind of evidence comes from, by what a model can do."""

from genlab.contract.capabilities import Encodes, Generates, HasLikelihood, HasPosterior
from genlab.contract.evidence import (
    Evidence,
    EvidenceBound,
    LogLikelihoods,
    Reconstructions,
    Samples,
)
from genlab.contract.steps import Model
from genlab.trained.generators import FITTED, PRIOR, TRANSLATION


def sources(model: Model) -> dict[type[Evidence], str]:
    """Returns by kind of evidence the source that gives it, for a trained or an untrained model.

    Kinds that the model cannot give are missing; so are those that need other models or labels.
    """
    given: dict[type[Evidence], str] = {}
    if isinstance(model, Generates):
        is_translator = "inputs" in model.given
        given[Samples] = TRANSLATION if is_translator else PRIOR
        if is_translator:
            given[Reconstructions] = TRANSLATION
        elif len(model.noise_shape) == 1 and not model.given:
            given[Reconstructions] = "inversion"
    if isinstance(model, Encodes):
        given.setdefault(Samples, FITTED)
        given[Reconstructions] = "reconstruction"
    if isinstance(model, HasPosterior):
        given[EvidenceBound] = "reconstruction"
    if isinstance(model, HasLikelihood):
        given[LogLikelihoods] = "likelihood"
    return given
