"""How MLflow loads and calls a trained model: a "model from code", handed to MLflow as a file and never imported here.

`mlflow.pyfunc.load_model("models:/<id>").predict(table, params={"verb": "sample", "num_images": 16})`. The table has
one row per image (column `images`) for `reconstruct` and `encode`, one per vector (column `latents`) for `decode`, and
is empty for `sample`.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from genlab.errors import InputError

VERBS = ("sample", "reconstruct", "encode", "decode")


class ServedModel(PythonModel):
    """A trained model behind one call; the parameter `verb` says which of its capabilities."""

    def load_context(self, context: Any) -> None:
        """Loads the trained model that lies in the logged model's folder."""
        from genlab import trained_model  # TensorFlow: not needed to write the model

        self._model = trained_model.load(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> np.ndarray:
        """Returns images, float32 (n, height, width, channels) in [0, 1], or for `encode` latents (n, latent_dim).

        Args:
            context: Unused: the model was loaded before.
            model_input: See the module.
            params: `verb`; for `sample` also `num_images`, `seed` and `source`.

        Raises:
            InputError: The verb is unknown, or the column that it needs is missing.
        """
        values = {"verb": "sample", "num_images": 64, "seed": 0, "source": "prior", **(params or {})}
        verb = values["verb"]
        if verb not in VERBS:
            raise InputError(f"verb must be one of {', '.join(VERBS)}. Received: {verb!r}. See the model's signature.")
        if verb == "sample":
            return self._model.sample(int(values["num_images"]), int(values["seed"]), values["source"])
        rows = _column(model_input, "latents" if verb == "decode" else "images")
        return getattr(self._model, verb)(rows)


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table or not len(table):
        columns = ", ".join(map(str, table)) or "none"
        raise InputError(f"The table must have rows in the column {name!r}. Received: {columns}. See the signature.")
    rows = np.stack([np.asarray(row) for row in table[name]])
    is_grey = name == "images" and rows.dtype.kind in "iu"
    return rows.astype(np.float32) / np.float32(255) if is_grey else rows.astype(np.float32)


mlflow.models.set_model(ServedModel())
