"""genlab: an experiment-tracked laboratory for image generative models."""

__version__ = "0.1.0"
