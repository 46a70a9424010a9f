"""Fits any model: `fit` goes from images and settings to a folder that holds the trained model."""

from genlab.training.fit import Summary, fit
from genlab.training.job import Job, prepare
from genlab.training.observer import NoRecorder, Recorder

__all__ = ["Job", "NoRecorder", "Recorder", "Summary", "fit", "prepare"]
