"""Loads and calls a trained model for MLflow: a "model from code", never imported by this package.

`mlflow models serve`, or `mlflow.pyfunc.load_model("models:/<id>")` and
`predict(table, params={"verb": "sample", "num_images": 16})`; `requests` lists the requests.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

from genlab.runtime.errors import InputError
from genlab.trained import requests


class Refused(MlflowException):
    """A request that the caller can fix: HTTP 400 with one line."""

    def __init__(self, line: str):
        self._line = line
        super().__init__(line, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The line alone; MLflow's server would put the whole table before it."""
        return self._line

    @message.setter
    def message(self, text: str) -> None:
        del text


class ServedModel(PythonModel):
    """A trained model behind one call; the parameter `verb` chooses what it does."""

    def load_context(self, context: Any) -> None:
        """Loads the trained model from the logged model's folder."""
        from genlab.trained import model  # imports TensorFlow, which logging does not need

        self._model = model.load(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> requests.Answer:
        """Returns the result of `requests.answer`; `context` is not used.

        Raises:
            Refused: The request is wrong or too large, or the model does not support it.
        """
        try:
            return requests.answer(self._model, model_input, params or {})
        except InputError as error:
            raise Refused(str(error)) from None


mlflow.models.set_model(ServedModel())
