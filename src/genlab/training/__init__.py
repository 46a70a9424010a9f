"""Fits any model: `fit` turns images and settings into the folder of a trained model."""

from genlab.training.fit import Pause, Summary, fit
from genlab.training.job import RECORDED, Job, prepare
from genlab.training.observer import NoRecorder, Recorder, check_monitor, validated_names
from genlab.training.result import copy_paused, discard

__all__ = [
    "RECORDED",
    "Job",
    "NoRecorder",
    "Pause",
    "Recorder",
    "Summary",
    "check_monitor",
    "copy_paused",
    "discard",
    "fit",
    "prepare",
    "validated_names",
]
