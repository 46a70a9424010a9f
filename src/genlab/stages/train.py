"""Stage `train`: fits one model; its folder, its MLflow run."""

from genlab.workflows.recorded_training import run

__all__ = ["run"]
