"""Exports a trained model's functions for other programs, as SavedModel or ONNX, and checks them.

The folder contains `export.json`: for each function its file, and shapes and ranges of inputs and
output; the latents' prior; the training's key; the SHA-256 of every file.
"""

import hashlib
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from genlab.contract.batches import empty_batch
from genlab.contract.capabilities import Encodes, Generates
from genlab.runtime.errors import InputError
from genlab.runtime.files import FolderKind, check_free, replacing
from genlab.settings import seeds
from genlab.trained import model as trained_model
from genlab.trained.model import TrainedModel

MANIFEST = "export.json"
KIND = FolderKind(
    "an export",
    (MANIFEST, "*.onnx", "saved_model.pb", "fingerprint.pb", "variables/*", "assets/*"),
)
TOLERANCE = 1e-5
"""Largest absolute difference allowed between an output and the trained model's own."""
NUM_CHECKED = 16
OPSET = 17
ONNX_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")
RANGES = {name: [0.0, 1.0] for name in ("images", "inputs", "reconstructions")}
Inputs = Mapping[str, np.ndarray]


class Function(NamedTuple):
    """One function of a model, with its inputs, and the name and shape of its output."""

    name: str
    compute: Callable[..., tf.Tensor]
    inputs: tuple[tf.TensorSpec, ...]
    output: str
    output_shape: tuple[int, ...]

    def compiled(self) -> Any:
        """Returns the function with named inputs and a named float32 output."""

        def call(*values: tf.Tensor) -> dict[str, tf.Tensor]:
            return {self.output: tf.cast(self.compute(*values), tf.float32)}

        return tf.function(call, self.inputs, autograph=False)


class Format(NamedTuple):
    """How to write functions into a folder and how to run them; the packages that it needs."""

    write: Callable[[list[Function], Path], None]
    run: Callable[[Path, Function, Inputs], np.ndarray]
    packages: tuple[str, ...]


def export(folder: Path, name: str, out: Path) -> Path:
    """Writes a trained model's functions in float32 to a folder, which appears after the check.

    Args:
        folder: The trained model.
        name: `savedmodel` or `onnx`.
        out: The folder; it is replaced as a whole.

    Raises:
        InputError: There is no such model, a package is missing, outputs differ by more than
            `TOLERANCE`, or `out` holds something else.
    """
    check_free(out, KIND)
    form = FORMATS[name]
    missing = [package for package in form.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise InputError(
            f"the packages {', '.join(form.packages)} must be installed",
            f"no {', '.join(missing)}",
            "Run: pip install 'genlab[onnx]'",
        )
    model = trained_model.load(folder, precision="float32")
    functions = _functions(model)
    with replacing(out, KIND) as building:
        building.mkdir()
        form.write(functions, building)
        differences = _check(functions, form, building)
        manifest = _manifest(model, functions, name, building, differences)
        (building / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return out


def _functions(trained: TrainedModel) -> list[Function]:
    """Returns a model's functions in the order of the manifest."""
    model, shape = trained.model, trained.image_shape
    images = tf.TensorSpec((None, *shape), tf.float32, name="images")
    functions = []
    if isinstance(model, Encodes):
        latents = tf.TensorSpec((None, model.latent_dim), tf.float32, name="latents")
        reconstruct = trained.compiled("reconstruct")
        functions += [
            Function("encode", model.encode, (images,), "latents", (model.latent_dim,)),
            Function("decode", model.decode, (latents,), "images", shape),
            Function("reconstruct", reconstruct, (images,), "reconstructions", shape),
        ]
    if isinstance(model, Generates):
        zeros = empty_batch(trained.spec, model.given, 1)
        given = [tf.TensorSpec((None, *v.shape[1:]), v.dtype, name) for name, v in zeros.items()]
        noise = tf.TensorSpec((None, *model.noise_shape), tf.float32, name="noise")
        functions.append(Function("generate", _generate(model), (noise, *given), "images", shape))
    return functions


def _generate(model: Generates) -> Callable[..., tf.Tensor]:
    """Returns `generate` with one positional argument per given field."""
    names = model.given
    return lambda noise, *given: model.generate(noise, dict(zip(names, given, strict=True)))


def _write_savedmodel(functions: list[Function], folder: Path) -> None:
    signatures = {
        function.name: function.compiled().get_concrete_function() for function in functions
    }
    holder = tf.Module()
    # Only the weights that the functions need, for example no discriminator's.
    holder.weights = [list(signature.variables) for signature in signatures.values()]
    tf.saved_model.save(holder, str(folder), signatures)


def _run_savedmodel(folder: Path, function: Function, inputs: Inputs) -> np.ndarray:
    logging.getLogger("absl").setLevel(logging.ERROR)  # it warns of missing gradients
    signature = tf.saved_model.load(str(folder)).signatures[function.name]
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    return signature(**tensors)[function.output].numpy()


def _write_onnx(functions: list[Function], folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx's
        import tf2onnx

        for function in functions:
            tf2onnx.convert.from_function(
                function.compiled(),
                list(function.inputs),
                opset=OPSET,
                output_path=str(folder / f"{function.name}.onnx"),
            )


def _run_onnx(folder: Path, function: Function, inputs: Inputs) -> np.ndarray:
    import onnxruntime

    path = folder / f"{function.name}.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}  # ONNX drops inputs without effect
    (output,) = session.run([function.output], {k: v for k, v in inputs.items() if k in names})
    return output


FORMATS = {
    "savedmodel": Format(_write_savedmodel, _run_savedmodel, ()),
    "onnx": Format(_write_onnx, _run_onnx, ONNX_PACKAGES),
}


def _check(functions: list[Function], form: Format, folder: Path) -> dict[str, float]:
    """Returns by function the largest difference from the trained model on a seeded batch."""
    differences = {}
    for function in functions:
        inputs = {spec.name: _example(spec) for spec in function.inputs}
        own = np.asarray(function.compiled()(*map(tf.constant, inputs.values()))[function.output])
        difference = float(np.abs(form.run(folder, function, inputs) - own).max())
        if not difference <= TOLERANCE:
            raise InputError(
                f"{function.name} must give what the trained model gives, within {TOLERANCE:g}",
                f"a difference of {difference:.3g}",
                "Nothing was written; try the other --format",
            )
        differences[function.name] = difference
    return differences


def _example(spec: tf.TensorSpec) -> np.ndarray:
    """Returns a seeded batch of one input: zeros for integers, else uniform or normal values."""
    generator = np.random.default_rng(seeds.derive(0, "export"))
    shape = (NUM_CHECKED, *spec.shape[1:])
    if spec.dtype.is_integer:
        return np.zeros(shape, spec.dtype.as_numpy_dtype)
    if RANGES.get(spec.name):
        return generator.random(shape, np.float32)
    return generator.standard_normal(shape, np.float32)


def _manifest(
    model: TrainedModel,
    functions: list[Function],
    name: str,
    folder: Path,
    differences: Mapping[str, float],
) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "name": model.name,
        "kind": model.kind,
        "train_key": model.settings["train_key"],
        "dataset": model.settings.get("dataset"),
        "format": name,
        "precision": "float32",
        "latent_prior": model.model.prior if isinstance(model.model, Generates) else None,
        "functions": {
            function.name: {
                "file": f"{function.name}.onnx" if name == "onnx" else ".",
                "inputs": [_describe(s.name, s.shape[1:], s.dtype.name) for s in function.inputs],
                "output": _describe(function.output, function.output_shape, "float32"),
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


def _describe(name: str, shape: Iterable[int], dtype: str) -> dict[str, Any]:
    return {"name": name, "shape": [None, *shape], "dtype": dtype, "range": RANGES.get(name)}
