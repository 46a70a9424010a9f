"""The Inception network of published Fréchet distances: its graph of 2015-12-05, run by TensorFlow itself.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017, and
the numbers since then measure on the tensor `pool_3:0` (2,048 features) of this very graph. Other weights of Inception
v3, like those of `keras.applications`, give other distances and are no substitute.

The images are rounded to uint8, grey ones repeated to three channels, scaled to 299 x 299 bilinearly as TensorFlow 1
did (align_corners=False, half_pixel_centers=False: pixel i of the result is taken at i * size / 299), and given to
`Mul:0` as (value - 128) / 128.

The graph is not part of this package: `classify_image_graph_def.pb`, alone or inside `inception-2015-12-05.tgz`.
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from genlab.data import downloads
from genlab.data.declaration import RemoteFile
from genlab.features.extractor import Extracted
from genlab.numerics.batches import in_batches
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.settings.params import InceptionGraph

NAME = "inception-2015-12-05"
MEMBER = "classify_image_graph_def.pb"
INPUT, OUTPUT = "Mul", "pool_3"
SIZE = 299
BATCH_SIZE = 50
MAX_GRAPH_BYTES = 1 << 29  # the published one has 92 MiB
GZIP = b"\x1f\x8b"


class InceptionExtractor:
    """The network, with the interface of `FeatureExtractor`; it knows no classes of the images."""

    num_classes = 0

    def __init__(self, graph: bytes, where: str):
        """Takes the serialised graph; `where` it lies, for errors."""
        self.settings: dict[str, Any] = {
            "name": NAME,
            "task": "ImageNet",
            "weights_sha256": hashlib.sha256(graph).hexdigest(),
            "resize": f"bilinear to {SIZE} x {SIZE}, TensorFlow 1",
            "grey": "repeated to three channels",
        }
        self._where = where
        self._run = _session(graph, where)

    def extract(self, images: np.ndarray) -> Extracted:
        """Returns the features, float32 (n, feature_dim), of uint8 images NHWC, at least one; all classes are 0."""
        (features,) = in_batches(self._features, images, BATCH_SIZE)
        return Extracted(features, np.zeros(len(features), np.int64))

    def _features(self, batch: np.ndarray, _: int) -> list[np.ndarray]:
        colour = np.repeat(batch, 3, axis=-1) if batch.shape[-1] == 1 else batch
        found = self._run(colour)
        if found.ndim != 4 or found.shape[:3] != (len(batch), 1, 1):
            raise _refused(self._where, f"an output {OUTPUT}:0 of the shape {found.shape}")
        return [found[:, 0, 0]]


def from_params(settings: InceptionGraph) -> InceptionExtractor | None:
    """Returns the network that `params.yaml: evaluation.inception` names, or None where it names none."""
    return load(settings.graph, settings.sha256, workspace.downloads("inception"))


def load(graph: str | None, sha256: str | None, directory: Path) -> InceptionExtractor | None:
    """Returns the network, or None where no graph is given.

    Args:
        graph: A file, or an http(s) address: the graph itself (.pb) or an archive (.tgz) that holds it.
        sha256: Of that file; an address needs it.
        directory: Where what is downloaded is kept.

    Raises:
        InputError: The file cannot be had, has another sum, or is not this graph.
    """
    if graph is None:
        return None
    if graph.startswith(("http://", "https://")):
        path = _download(graph, sha256, directory)
    else:
        path = Path(graph).expanduser()
        _check_file(path, sha256)
    content = path.read_bytes()
    return InceptionExtractor(
        _unpacked(content, str(path)) if content.startswith(GZIP) else content, str(path)
    )


def _download(address: str, sha256: str | None, directory: Path) -> Path:
    if sha256 is None:
        raise InputError(
            "inception.sha256 must be given for an address",
            f"none for {address}",
            "See params.yaml: evaluation.inception, or --inception-sha256",
        )
    file = RemoteFile(Path(urlsplit(address).path).name or MEMBER, (address,), f"sha256:{sha256}")
    remedy = (
        "or give the file itself: params.yaml: evaluation.inception.graph, or --inception-graph"
    )
    downloads.fetch("inception", (file,), directory, remedy)
    return directory / file.name


def _check_file(path: Path, sha256: str | None) -> None:
    if not path.is_file():
        raise InputError(
            "inception.graph must be a file or an address",
            f"{path}, no such file",
            "See params.yaml: evaluation.inception.graph, or --inception-graph",
        )
    with path.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 is not None and received != sha256:
        raise InputError(
            f"{path} must have the SHA-256 {sha256}",
            str(received),
            "See params.yaml: evaluation.inception.sha256, or --inception-sha256",
        )


def _unpacked(content: bytes, where: str) -> bytes:
    """Returns the graph in an archive; nothing is written to the disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                if (
                    Path(member.name).name == MEMBER
                    and member.isfile()
                    and member.size <= MAX_GRAPH_BYTES
                ):
                    file = archive.extractfile(member)
                    return file.read() if file else b""
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _refused(where, f"a broken archive ({error})") from None
    raise _refused(where, f"an archive without {MEMBER}")


def _session(graph: bytes, where: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the function from uint8 images (n, height, width, 3) to the output.

    A session of TensorFlow 1, since the graph has operations that functions of TensorFlow 2 no longer take.
    """
    definition = _parse(graph, where)
    with tf.Graph().as_default() as built:
        images = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), "images")
        resized = resize(images)
        try:
            (output,) = tf.import_graph_def(
                definition, {f"{INPUT}:0": (resized - 128) / 128}, [f"{OUTPUT}:0"], name="inception"
            )
        except (ValueError, tf.errors.OpError) as error:
            raise _refused(
                where, f"a graph that TensorFlow cannot build ({str(error).splitlines()[0]})"
            ) from None
    options = tf.compat.v1.ConfigProto(gpu_options=tf.compat.v1.GPUOptions(allow_growth=True))
    session = tf.compat.v1.Session(graph=built, config=options)
    return lambda batch: session.run(output, {images: batch})


def resize(images: tf.Tensor) -> tf.Tensor:
    """Returns uint8 images NHWC as TensorFlow 1 scaled them: float32 (n, 299, 299, channels)."""
    floats = tf.cast(images, tf.float32)
    return tf.compat.v1.image.resize_bilinear(
        floats, (SIZE, SIZE), align_corners=False, half_pixel_centers=False
    )


def _parse(graph: bytes, where: str) -> tf.compat.v1.GraphDef:
    try:
        definition = tf.compat.v1.GraphDef.FromString(graph)
    except DecodeError:
        raise _refused(where, "no graph") from None
    missing = [
        name for name in (INPUT, OUTPUT) if name not in {node.name for node in definition.node}
    ]
    if missing:
        raise _refused(where, f"no node {' and no node '.join(missing)}")
    for node in definition.node:  # written for one image at a time
        node.attr.pop("_output_shapes", None)
    return definition


def _refused(where: str, received: str) -> InputError:
    return InputError(
        f"{where} must be the frozen Inception graph ({MEMBER}, alone or in {NAME}.tgz) with the nodes {INPUT} and {OUTPUT}",
        str(received),
        "See params.yaml: evaluation.inception.graph, or --inception-graph",
    )
