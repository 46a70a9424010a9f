"""Runs, metrics, pictures and models in MLflow, written locally first: a tracker out of reach stops and loses nothing.

Every run has a journal on disk; what MLflow has not got yet is sent later (`genlab sync`). MLflow is imported when
something is sent, not when this package is.
"""

from genlab.tracking.runs import Dataset, Run, scoring_run, study_run, training_run
from genlab.tracking.store import serve_ui, ui_command
from genlab.tracking.sync import Summary, sync

__all__ = ["Dataset", "Run", "Summary", "scoring_run", "serve_ui", "study_run", "sync", "training_run", "ui_command"]
