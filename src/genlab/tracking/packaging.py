"""A trained model as an MLflow pyfunc: code and files in one folder, no pickle, nothing of this repository needed."""

import importlib.metadata
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import genlab
from genlab.runtime.errors import InputError
from genlab.trained import DEFAULTS

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

SCRIPT = Path(genlab.__file__).parent / "trained" / "script.py"
# What loading a model imports; the one of the two TensorFlow builds that is installed.
PACKAGES = [
    "mlflow",
    "numpy",
    "pandas",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "h5py",
    "scipy",
    "scikit-learn",
]
PACKAGES += ["pydantic", "ruamel.yaml", "pillow"]


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
        raise InputError(
            f"{folder} must hold a trained model",
            "no settings.json",
            "Run: dvc repro train",
        )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # MLflow's about its own types, and for an example input, which would be run now
        import mlflow.pyfunc
        from mlflow.models import Model

        mlflow.pyfunc.save_model(
            target,
            python_model=str(script),
            artifacts={"model": str(folder.resolve())},
            code_paths=[str(Path(genlab.__file__).parent)],
            pip_requirements=requirements(),
            signature=signature(json.loads(settings.read_text()).get("image_shape")),
        )
    model = Model.load(str(target))
    model.flavors["python_function"]["model_code_path"] = script.name  # no path of this machine
    for artifact in model.flavors["python_function"]["artifacts"].values():
        artifact["uri"] = artifact["path"]
    model.save(str(target / "MLmodel"))


def sizes(folder: Path) -> list[int]:
    """Returns the sizes of the files that the pyfunc of the trained model in `folder` copies, in bytes."""
    copied = [*folder.rglob("*"), *Path(genlab.__file__).parent.rglob("*")]
    return [path.stat().st_size for path in copied if path.is_file()]


def requirements() -> list[str]:
    """Returns the packages that a loaded model needs, as installed here."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # the other build of TensorFlow
    return found


def signature(image_shape: list[int] | None) -> "ModelSignature":
    """Returns the model's signature.

    Input: a table with the columns `images` and `latents`, each for some verbs; output: images, float32 in [0, 1]; both
    as `serving.requests` says.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    images = TensorSpec(np.dtype("float32"), (-1, *(image_shape or (-1, -1, -1))))
    types = {int: "long", str: "string"}
    params = [ParamSpec(name, types[type(value)], value) for name, value in DEFAULTS.items()]
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), name, required=False) for name in ("images", "latents")]),
        outputs=Schema([images]),
        params=ParamSchema(params),
    )
