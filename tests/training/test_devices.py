"""Two devices together make the steps of one, in a process that has two logical CPUs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures_models import child_environment

TWO_DEVICES = Path(__file__).parents[1] / "helpers" / "two_devices.py"


@pytest.mark.parametrize(
    "kinds",
    [
        ("growing",),
        pytest.param(("autoencoder", "vae", "gan", "conditional"), marks=pytest.mark.slow),
    ],
)
def test_two_devices_together_make_the_steps_of_one(
    data: Path, state: Path, kinds: tuple[str, ...]
) -> None:
    command = [sys.executable, str(TWO_DEVICES), str(data), *kinds]
    how = {"env": child_environment(), "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, **how)
    assert done.returncode == 0, done.stderr[-3000:]
    values = json.loads(done.stdout.splitlines()[-1])
    assert values["num_devices"] == 2
    assert "batch_size must be a multiple of the 2 devices" in values["refused"]
    assert set(values["differences"]) == set(kinds)
    assert max(values["differences"].values()) < 2e-5, values["differences"]
    assert values["finite"]
