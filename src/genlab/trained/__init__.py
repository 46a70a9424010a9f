"""A trained model behind one call: what can be asked (`requests`), and the file that MLflow runs (`script`)."""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "verb": "sample",
    "num_images": 64,
    "seed": 0,
    "source": "",
    "num_steps": 8,
    "format": "array",
}
"""The parameters of a request; see `requests`. No source means the model's first one."""
