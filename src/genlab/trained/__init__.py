"""A trained model behind one call: `model` loads it, `requests` answers requests."""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "verb": "sample",
    "num_images": 64,
    "seed": 0,
    "source": "",
    "num_steps": 8,
    "format": "array",
}
"""The parameters of a request; see `requests`. An empty source means the model's first one."""
