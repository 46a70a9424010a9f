"""genlab: an experiment-tracked laboratory for image generative models."""

import os

__version__ = "0.1.0"

# TensorFlow reads these when it is imported: no notes on the processor's features in the middle of a progress bar.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
