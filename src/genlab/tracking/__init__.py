"""Runs, metrics, pictures and models in MLflow, written locally first: a tracker out of reach stops and loses nothing.

Every run has a journal on disk; what MLflow has not got yet is sent later (`genlab sync`). MLflow is imported when
something is sent, not when this package is.
"""

from genlab.tracking.addresses import model_folder, trained_folder
from genlab.tracking.fetching import Fetched, fetch
from genlab.tracking.provenance import children_of
from genlab.tracking.run import one_line
from genlab.tracking.runs import Dataset, Run, end_training, scoring_run, study_run, training_run
from genlab.tracking.store import address, experiment_name, serve_ui, ui_command, warm_up
from genlab.tracking.sync import Summary, sync

__all__ = [
    "Dataset",
    "Fetched",
    "Run",
    "Summary",
    "address",
    "children_of",
    "end_training",
    "experiment_name",
    "fetch",
    "model_folder",
    "one_line",
    "scoring_run",
    "serve_ui",
    "study_run",
    "sync",
    "trained_folder",
    "training_run",
    "ui_command",
    "warm_up",
]
