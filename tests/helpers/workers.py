"""Trains tiny models, alone or as one of the processes of TF_CONFIG; prints folders as JSON."""

import json
import sys
from pathlib import Path

from fixtures_models import tiny_job

from genlab import training

BATCH_NORM = {"discriminator_normalisation": "batch", "discriminator_steps": 2}
CASES = {
    "autoencoder": {"network": "dense"},
    "vae": {"network": "convolutional"},
    "gan": {"network": "convolutional"} | BATCH_NORM,
}


def main(data: Path) -> None:
    jobs = [tiny_job(data, kind, **changes) for kind, changes in CASES.items()]
    for job in jobs:
        training.fit(job, training.NoRecorder())
    print(json.dumps({job.name: str(job.folder) for job in jobs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
