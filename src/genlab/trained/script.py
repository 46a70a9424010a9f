"""Loads and calls a trained model for MLflow: a "model from code", never imported by this package.

`mlflow models serve`, or `mlflow.pyfunc.load_model("models:/<id>")` and
`predict(table, params={"verb": "sample", "num_images": 16})`; `requests` lists the requests.
"""

import logging
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

from genlab.runtime.errors import InputError, one_line
from genlab.trained import requests


class Refused(MlflowException):
    """A request that is not answered: one line, with HTTP 400 where the caller can fix it."""

    def __init__(self, line: str, error_code: int = INVALID_PARAMETER_VALUE):
        self._line = line
        super().__init__(line, error_code)

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
            Refused: The request is wrong or too large, the model does not support it, or it failed.
        """
        try:
            return requests.answer(self._model, model_input, params or {})
        except InputError as error:
            raise Refused(str(error)) from None
        except Exception as error:  # a defect, for which MLflow would give no reason: HTTP 500
            logging.getLogger(__name__).exception("A request could not be answered")
            line = f"The request could not be answered: {one_line(error)}"
            raise Refused(line, INTERNAL_ERROR) from None


mlflow.models.set_model(ServedModel())
