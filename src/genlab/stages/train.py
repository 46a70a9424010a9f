"""Stage `train`: fits one model of `params.yaml`."""

from dataclasses import dataclass
from pathlib import Path

from genlab import training
from genlab.runtime.files import check_free
from genlab.settings.params import Params
from genlab.training import result
from genlab.workflows import recorded_training


@dataclass(frozen=True)
class TrainPaths:
    """Where the stage reads and writes.

    Attributes:
        images: The fetched data set.
        features: The folder of the selection judges.
        out: The trained model's folder; replaced as a whole.
        timings: A folder for `<name>.json`: seconds, speed, device, link. Not hashed by DVC.
    """

    images: Path
    features: Path
    out: Path
    timings: Path


def run(params: Params, name: str, paths: TrainPaths, wait: bool = True) -> None:
    """Trains the model `name`, an entry of `params.yaml: models`.

    Args:
        params: All parameters.
        name: The model.
        paths: Where everything is.
        wait: Whether to wait for another process that runs an equal training.

    Raises:
        InputError: The training cannot be run, another process runs it and `wait` is false, or
            `paths.out` holds something else.
    """
    check_free(paths.out, result.KIND)
    job = training.prepare(params, name, paths.images, paths.features)
    recorded_training.run(job, paths.out, paths.timings, wait)
