"""A trained model's functions for other programs: SavedModel or ONNX, checked against the trained model when written.

The folder holds `export.json`: of each function the file, inputs and outputs with their shapes and ranges; the latents'
prior; the training's key; the SHA-256 of every file.
"""

import hashlib
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.settings import seeds
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel

MANIFEST = "export.json"
TOLERANCE = 1e-5
"""Of the greatest difference between an output and the trained model's own, in what the output is measured in."""
NUM_CHECKED = 16
OPSET = 17
ONNX_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")
Outputs = dict[str, np.ndarray]


class Function(NamedTuple):
    """One function of a model: its name there, the shapes of what goes in and comes out, without the batch."""

    name: str
    takes: str
    gives: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]


class Format(NamedTuple):
    """How functions are written into a folder, and how what was written is called; packages that it needs."""

    write: Callable[[TrainedModel, list[Function], Path], None]
    run: Callable[[Path, list[Function], Mapping[str, np.ndarray]], Outputs]
    packages: tuple[str, ...]


def export(folder: Path, name: str, out: Path) -> Path:
    """Writes what the trained model in `folder` is capable of to the new folder `out`, in the format `name`.

    It is written in float32, whatever the precision of its training; `out` is there only after the check.

    Args:
        folder: The trained model's.
        name: `savedmodel` or `onnx`.
        out: Replaced as a whole.

    Raises:
        InputError: There is no such model, a package is missing, or outputs differ by more than `TOLERANCE`.
    """
    form = FORMATS[name]
    missing = [package for package in form.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise InputError(
            f"the packages {', '.join(form.packages)} must be installed",
            f"no {', '.join(missing)}",
            "Run: pip install 'genlab[onnx]'",
        )
    if out.exists() and not (out / MANIFEST).is_file():
        raise InputError(
            f"{out} must be new, or an earlier export",
            "something else",
            "See --out",
        )
    model = trained_model.load(folder, precision="float32")
    functions = _functions(model)
    with replacing(out) as building:
        building.mkdir()
        form.write(model, functions, building)
        differences = _check(model, functions, form, building)
        manifest = _manifest(model, functions, name, building, differences)
        (building / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return out


def _functions(model: TrainedModel) -> list[Function]:
    images, latents = model.image_shape, (model.latent_dim,)
    known = [
        Function("encode", "images", "latents", images, latents),
        Function("decode", "latents", "images", latents, images),
        Function("reconstruct", "images", "reconstructions", images, images),
    ]
    return [function for function in known if model.can(function.name)]


def _signature(function: Function) -> list[tf.TensorSpec]:
    return [tf.TensorSpec((None, *function.input_shape), tf.float32, name=function.takes)]


def _named(model: TrainedModel, function: Function) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns the function with a name for its output."""
    compute = getattr(model.model, function.name)
    return lambda values: {function.gives: tf.cast(compute(values), tf.float32)}


def _write_savedmodel(model: TrainedModel, functions: list[Function], folder: Path) -> None:
    signatures = {
        function.name: tf.function(
            _named(model, function), _signature(function), autograph=False
        ).get_concrete_function()
        for function in functions
    }
    holder = tf.Module()
    holder.weights = [
        list(signature.variables) for signature in signatures.values()
    ]  # no discriminator's
    tf.saved_model.save(holder, str(folder), signatures)


def _run_savedmodel(
    folder: Path, functions: list[Function], inputs: Mapping[str, np.ndarray]
) -> Outputs:
    logging.getLogger("absl").setLevel(
        logging.ERROR
    )  # it warns of gradients, which nobody asks for
    loaded = tf.saved_model.load(str(folder))
    signatures = loaded.signatures
    return {
        function.name: signatures[function.name](tf.constant(inputs[function.takes]))[
            function.gives
        ].numpy()
        for function in functions
    }


def _write_onnx(model: TrainedModel, functions: list[Function], folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf2onnx and of Keras's patch of it for NumPy 2
        import tf2onnx
        from keras.src.export.tf2onnx_lib import patch_tf2onnx

        patch_tf2onnx()
        for function in functions:
            compiled = tf.function(_named(model, function), _signature(function), autograph=False)
            path = str(folder / f"{function.name}.onnx")
            tf2onnx.convert.from_function(
                compiled, _signature(function), opset=OPSET, output_path=path
            )


def _run_onnx(folder: Path, functions: list[Function], inputs: Mapping[str, np.ndarray]) -> Outputs:
    import onnxruntime

    found = {}
    for function in functions:
        session = onnxruntime.InferenceSession(
            folder / f"{function.name}.onnx", providers=["CPUExecutionProvider"]
        )
        (found[function.name],) = session.run(
            [function.gives], {function.takes: inputs[function.takes]}
        )
    return found


FORMATS = {
    "savedmodel": Format(_write_savedmodel, _run_savedmodel, ()),
    "onnx": Format(_write_onnx, _run_onnx, ONNX_PACKAGES),
}


def _check(
    model: TrainedModel, functions: list[Function], form: Format, folder: Path
) -> dict[str, float]:
    """Returns by function the greatest difference of an output from the trained model's own, on a seeded batch."""
    generator = np.random.default_rng(seeds.derive(0, "export"))
    inputs = {
        "images": generator.random((NUM_CHECKED, *model.image_shape), np.float32),
        "latents": generator.standard_normal((NUM_CHECKED, model.latent_dim), np.float32),
    }
    written, differences = form.run(folder, functions, inputs), {}
    for function in functions:
        own = np.asarray(getattr(model, function.name)(inputs[function.takes]))
        difference = float(np.abs(written[function.name] - own).max())
        if not difference <= TOLERANCE:
            raise InputError(
                f"{function.name} must give what the trained model gives, within {TOLERANCE:g}",
                f"a difference of {difference:.3g}",
                "Nothing was written; try the other --format",
            )
        differences[function.name] = difference
    return differences


def _manifest(
    model: TrainedModel,
    functions: list[Function],
    name: str,
    folder: Path,
    differences: Mapping[str, float],
) -> dict[str, Any]:
    settings = model.settings
    ranges = {"images": [0.0, 1.0], "reconstructions": [0.0, 1.0], "latents": None}
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "name": settings["name"],
        "kind": settings["kind"],
        "train_key": settings["train_key"],
        "dataset": settings.get("dataset"),
        "format": name,
        "precision": "float32",
        "latent_prior": _prior(model),
        "functions": {
            function.name: {
                "file": f"{function.name}.onnx" if name == "onnx" else ".",
                "input": {
                    "name": function.takes,
                    "shape": [None, *function.input_shape],
                    "dtype": "float32",
                }
                | {"range": ranges[function.takes]},
                "output": {
                    "name": function.gives,
                    "shape": [None, *function.output_shape],
                    "dtype": "float32",
                }
                | {"range": ranges[function.gives]},
                "largest_difference": differences[function.name],
            }
            for function in functions
        },
        "tolerance": TOLERANCE,
        "sha256": {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    }


def _prior(model: TrainedModel) -> str | None:
    """Returns what latents are drawn from: `normal` (mean 0, variance 1), `uniform` (-1 to 1); None for no prior."""
    has_prior = "prior" in model.sources()
    return model.settings["settings"].get("prior", "normal") if has_prior else None
