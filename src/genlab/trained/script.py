"""How MLflow loads and calls a trained model: a "model from code", handed to MLflow as a file and never imported here.

`mlflow.pyfunc.load_model("models:/<id>").predict(table, params={"verb": "sample", "num_images": 16})`, or
`mlflow models serve`; what can be asked is in `requests`.
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
    """A request that the caller can mend: HTTP 400 with one line."""

    def __init__(self, line: str):
        """Keeps the line."""
        self._line = line
        super().__init__(line, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The line; MLflow's server would put the whole table before it."""
        return self._line

    @message.setter
    def message(self, text: str) -> None:
        del text


class ServedModel(PythonModel):
    """A trained model behind one call; the parameter `verb` says which of its capabilities."""

    def load_context(self, context: Any) -> None:
        """Loads the trained model that lies in the logged model's folder."""
        from genlab.trained import model  # TensorFlow: not needed to write the model

        self._model = model.load(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> requests.Answer:
        """Returns what `requests.answer` does; the arguments are its own, `context` plays no part.

        Raises:
            Refused: The request is wrong, or too large, or the model is not capable of it.
        """
        try:
            return requests.answer(self._model, model_input, params or {})
        except InputError as error:
            raise Refused(str(error)) from None


mlflow.models.set_model(ServedModel())
