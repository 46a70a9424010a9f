"""Runs, metrics, images and models in MLflow, local first.

Everything a run logs goes to a journal on disk, then to MLflow. While the tracker is out of reach
nothing stops and nothing is lost: `genlab sync` sends the rest later. MLflow is imported when
something is sent, not when this package is.

opening         starts and ends the run of a training, a scoring or a study
run             the open run: what a training calls to log
journal         one run's entries on disk, and how far they were sent
sending         sends a journal's entries in order; `sync` sends those of all journals
writer          what each type of entry means to MLflow; writing one again leaves nothing twice
matching        which run in MLflow a journal continues
store           where runs are stored, and a client for it
looking         what is wrong with a store, without MLflow
faults          every fault of the store as one line
moving          addresses in a store that was moved or copied
ui              the MLflow page on this machine
reading         reads runs back, for pages that compare them
registry        the model registry: addresses, versions, champions
packaging       a trained model as an MLflow pyfunc
provenance      tags and parameters of a run
system_metrics  processor, memory and graphics cards during a training
"""

from genlab.runtime.addresses import shown as address
from genlab.runtime.errors import one_line
from genlab.tracking.opening import (
    TrainingRecord,
    end_training,
    scoring_run,
    study_run,
    training_run,
)
from genlab.tracking.provenance import children_of
from genlab.tracking.reading import Fetched, fetch
from genlab.tracking.registry import trained_folder
from genlab.tracking.run import Run
from genlab.tracking.sending import sync
from genlab.tracking.store import experiment_name, warm_up
from genlab.tracking.ui import serve_ui

__all__ = [
    "Fetched",
    "Run",
    "TrainingRecord",
    "address",
    "children_of",
    "end_training",
    "experiment_name",
    "fetch",
    "one_line",
    "scoring_run",
    "serve_ui",
    "study_run",
    "sync",
    "trained_folder",
    "training_run",
    "warm_up",
]
