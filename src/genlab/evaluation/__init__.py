"""Scores any trained model: `evaluate` gathers evidence and gives it to every metric that asks for its kind."""

from genlab.evaluation.score import Scores, evaluate

__all__ = ["Scores", "evaluate"]
