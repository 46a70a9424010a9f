"""What the MLflow UI shows without configuration: the columns of the table of runs, as a view named by an address."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY = "genlab"
METRICS = (
    "test/prior/frechet_distance",
    "test/fitted/frechet_distance",
    "test/reconstruction/mse",
    "test/prior/precision",
    "test/prior/recall",
    "time/train_seconds",
)
"""A model that has no such metric leaves its cell empty."""
PARAMS = ("latent_dim", "steps", "seed")
COLUMNS = [  # the run's name says model and data set; its page links both
    *(f"metrics.`{name}`" for name in METRICS),
    *(f"params.`{name}`" for name in PARAMS),
]


def share(client: "MlflowClient", experiment_id: str) -> None:
    """Keeps the view with the experiment, as the UI's own button *Share* does."""
    client.set_experiment_tag(
        experiment_id, f"mlflow.sharedViewState.{KEY}", json.dumps({"selectedColumns": COLUMNS})
    )


def page(base: str, experiment_id: str) -> str:
    """Returns the address of the table of runs, with these columns, in the UI's mode *Model training*."""
    return f"{base.rstrip('/')}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"
