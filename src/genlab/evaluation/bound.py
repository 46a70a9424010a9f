"""The terms of the evidence lower bound on the test images, of models that have a posterior."""

import numpy as np

from genlab.evaluation.scores import Scores
from genlab.evaluation.task import Task
from genlab.measures import EvidenceBound

BATCH_SIZE = 500


def score(task: Task, scores: Scores) -> None:
    """Scores the bound at one posterior draw per image."""
    if not hasattr(task.model.model, "elbo_terms"):
        scores.skip("reconstruction", EvidenceBound, f"{task.kind} has no posterior")
        return
    starts = range(0, len(task.floats), BATCH_SIZE)
    batches = ((task.floats[start : start + BATCH_SIZE], (task.seed, start)) for start in starts)
    losses, kls = (
        np.concatenate(part) for part in zip(*(task.model.model.elbo_terms(*batch) for batch in batches), strict=True)
    )
    protocol = task.protocol(len(losses), num_posterior_draws=1, likelihood="bernoulli on grey values")
    evidence = EvidenceBound(losses, kls, task.model.encode(task.floats))
    scores.add("reconstruction", evidence, protocol, "encoder")
    scores.arrays["kl_per_dimension"] = {"kl": kls.mean(axis=0, dtype=np.float64)}
