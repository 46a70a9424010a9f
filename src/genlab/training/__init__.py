"""Fits any model: `fit` turns images and settings into the folder of a trained model."""

from genlab.training.fit import Summary, fit
from genlab.training.job import RECORDED, Job, prepare
from genlab.training.observer import NoRecorder, Recorder, check_monitor, validated_names
from genlab.training.result import discard

__all__ = [
    "RECORDED",
    "Job",
    "NoRecorder",
    "Recorder",
    "Summary",
    "check_monitor",
    "discard",
    "fit",
    "prepare",
    "validated_names",
]
