"""A trained model as an MLflow pyfunc: code and files in one folder, without pickle or our repo."""

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import genlab
from genlab.runtime.errors import InputError
from genlab.trained import DEFAULTS

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

PACKAGE = Path(genlab.__file__).parent
SCRIPT = PACKAGE / "trained" / "script.py"
IMPORTED: tuple[str, ...] = ("mlflow", "keras", "tensorflow", "tensorflow-cpu", "numpy", "pandas")
IMPORTED += ("h5py", "scipy", "scikit-learn", "pydantic", "ruamel.yaml", "pillow")
"""What loading a model imports; one of the two builds of TensorFlow is installed."""


def save(folder: Path, target: Path, script: Path = SCRIPT) -> None:
    """Writes the trained model in `folder` as a pyfunc to the new folder `target`.

    Args:
        folder: A trained model: `settings.json` and weights.
        target: The folder to make.
        script: The file that tells MLflow how to load and call it.

    Raises:
        InputError: `folder` holds no trained model.
    """
    settings = folder / "settings.json"
    if not settings.is_file():
        expected = f"{folder} must hold a trained model"
        raise InputError(expected, "no settings.json", "Run: dvc repro train")
    with warnings.catch_warnings():
        # MLflow warns about its own types, and about a missing example input, which it would run.
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        from mlflow.models import Model

        model = Model()
        mlflow.pyfunc.save_model(
            target,
            mlflow_model=model,
            python_model=str(script),
            artifacts={"model": folder.resolve().as_uri()},
            code_paths=[str(PACKAGE)],
            pip_requirements=requirements(),
            signature=signature(json.loads(settings.read_text())),
        )
    flavor = model.flavors["python_function"]
    flavor["model_code_path"] = script.name  # no path of this machine
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    model.save(str(target / "MLmodel"))


def sizes(folder: Path) -> list[int]:
    """Returns the sizes in bytes of the files that `save` copies for the model in `folder`."""
    files = [*folder.rglob("*"), *PACKAGE.rglob("*")]
    return [path.stat().st_size for path in files if path.is_file()]


def requirements() -> list[str]:
    """Returns the packages that a loaded model needs, in the versions installed here."""
    pins = []
    for name in IMPORTED:
        with suppress(PackageNotFoundError):  # the other build of TensorFlow
            pins.append(f"{name}=={version(name)}")
    return pins


def signature(settings: Mapping[str, Any]) -> "ModelSignature":
    """Returns the signature of the model with these `settings.json`, see `trained.requests`.

    Input: a table whose columns `images`, `latents` and what samples are given are used by some
    verbs. Output: images, float32 in [0, 1].
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    columns = dict.fromkeys(["images", "latents", *settings.get("takes", [])])
    inputs = Schema([ColSpec(AnyType(), name, required=False) for name in columns])
    shape = (-1, *settings.get("image_shape", (-1, -1, -1)))
    outputs = Schema([TensorSpec(np.dtype("float32"), shape)])
    types = {int: "long", str: "string"}
    params = [ParamSpec(name, types[type(value)], value) for name, value in DEFAULTS.items()]
    return ModelSignature(inputs, outputs, ParamSchema(params))
