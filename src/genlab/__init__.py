"""genlab: an experiment-tracked laboratory for image generative models.

From Python: `genlab.load("models/vae").sample(16, seed=0)`, `genlab.fetch("digits")`,
`genlab.train("vae", steps=99)`. See `genlab.api`. The first use of one of them imports it, and
TensorFlow.
"""

import importlib
import os
from typing import Any

__version__ = "0.2.0"

# TensorFlow reads these at import: no notes on the processor's features inside a progress bar.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

PUBLIC = {"load": "api", "fetch": "api", "train": "api", "Pictures": "imaging.pictures"}
"""Public names and their modules; `__init__.pyi` tells type checkers the same."""


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'genlab' has no attribute {name!r}")
    if PUBLIC[name] == "api":
        importlib.import_module("genlab.runtime.native_output").import_tensorflow()
    return getattr(importlib.import_module(f"genlab.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
