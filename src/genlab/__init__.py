"""genlab: an experiment-tracked laboratory for image generative models.

From Python: `genlab.load("models/vae").sample(16, seed=0)`, `genlab.fetch("digits")`, `genlab.train("vae", steps=99)`.
See `genlab.api`, which is imported, and TensorFlow with it, when one of these is first used.
"""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# TensorFlow reads these when it is imported: no notes on the processor's features in the middle of a progress bar.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

PUBLIC = {"load": "api", "fetch": "api", "train": "api", "Pictures": "imaging.pictures"}
"""What is offered here, and the module that it lies in; `__init__.pyi` says the same to type checkers."""


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'genlab' has no attribute {name!r}")
    if PUBLIC[name] == "api":
        importlib.import_module("genlab.runtime.native_output").import_tensorflow()
    return getattr(importlib.import_module(f"genlab.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
