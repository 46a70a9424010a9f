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
        ("vae", "growing"),
        pytest.param(("autoencoder", "gan", "conditional", "translator"), marks=pytest.mark.slow),
    ],
)
def test_two_devices_share_each_batch(data: Path, state: Path, kinds: tuple[str, ...]) -> None:
    command = [sys.executable, str(TWO_DEVICES), str(data), *kinds]
    how = {"env": child_environment(), "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, **how)
    assert done.returncode == 0, done.stderr[-3000:]
    values = json.loads(done.stdout.splitlines()[-1])
    assert values["num_devices"] == 2
    assert values["shares"] == [2, 2, 2, 2], "each device sees its half of the batch"
    assert values["same_images"], "both halves together are the batch of one device"
    assert values["seeds"] == [[9, 0], [9, 0], [9, 1], [9, 1]], "they share one noise"
    one, two = values["drawn"]
    assert one == two, "of grey images both draw the blacks and whites of one device"
    assert set(one) == {0, 255}
    assert "batch_size must be a multiple of the 2 devices" in values["refused"]
    assert set(values["differences"]) == set(kinds)
    assert max(values["differences"].values()) < 2e-5, values["differences"]
    assert values.get("finite", True), "with batch normalisation of both halves"
