"""The Inception network of published Fréchet distances: its graph of 2015-12-05, in TensorFlow.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
NeurIPS 2017, and the numbers since then measure on the tensor `pool_3:0` (2,048 features) of this
graph. Other weights of Inception v3, like those of `keras.applications`, give other distances.

The images are rounded to uint8, grey ones repeated to three channels, scaled to 299 x 299
bilinearly as TensorFlow 1 did (align_corners=False, half_pixel_centers=False: pixel i of the result
is taken at i * size / 299), and given to `Mul:0` as (value - 128) / 128.

The graph is not in this package: `classify_image_graph_def.pb`, alone or in
`inception-2015-12-05.tgz`.
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

from genlab.features.extractor import Extracted
from genlab.numerics.batches import in_batches
from genlab.runtime import downloads, workspace
from genlab.runtime.downloads import RemoteFile
from genlab.runtime.errors import InputError
from genlab.settings.params import InceptionGraph

NAME = "inception-2015-12-05"
MEMBER = "classify_image_graph_def.pb"
INPUT, OUTPUT = "Mul", "pool_3"
SIZE = 299
BATCH_SIZE = 50
MAX_GRAPH_BYTES = 1 << 29  # the published one has 92 MiB
GZIP = b"\x1f\x8b"
SEE_GRAPH = "See params.yaml: evaluation.inception.graph, or --inception-graph"
SEE_SHA256 = "See params.yaml: evaluation.inception.sha256, or --inception-sha256"


class InceptionExtractor:
    """The network as an `Extractor`; it knows no classes of the images."""

    num_classes = 0
    is_scaled = False  # as published

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
        """Returns the features of uint8 images NHWC, at least one; all classes are 0."""
        (features,) = in_batches(self._features, images, BATCH_SIZE)
        return Extracted(features, np.zeros(len(features), np.int64))

    def _features(self, batch: np.ndarray, _: int) -> list[np.ndarray]:
        colour = np.repeat(batch, 3, axis=-1) if batch.shape[-1] == 1 else batch
        features = self._run(colour)
        if features.ndim != 4 or features.shape[:3] != (len(batch), 1, 1):
            raise _refused(self._where, f"an output {OUTPUT}:0 of the shape {features.shape}")
        return [features[:, 0, 0]]


def from_params(settings: InceptionGraph) -> InceptionExtractor | None:
    """Returns the network that `params.yaml: evaluation.inception` names, or None."""
    return load(settings.graph, settings.sha256, workspace.downloads("inception"))


def load(graph: str | None, sha256: str | None, directory: Path) -> InceptionExtractor | None:
    """Returns the network, or None if no graph is given.

    Args:
        graph: A file or an http(s) address: the graph itself (.pb) or its archive (.tgz).
        sha256: Of that file; an address needs it.
        directory: Where a download is kept.

    Raises:
        InputError: The file is not available, has another sum, or is not this graph.
    """
    if graph is None:
        return None
    is_address = graph.startswith(("http://", "https://"))
    path = _download(graph, sha256, directory) if is_address else Path(graph).expanduser()
    content = _read(path, sha256)
    if content.startswith(GZIP):
        content = _unpack(content, str(path))
    return InceptionExtractor(content, str(path))


def _download(address: str, sha256: str | None, directory: Path) -> Path:
    if sha256 is None:
        raise InputError(
            "inception.sha256 must be given for an address", f"none for {address}", SEE_SHA256
        )
    name = Path(urlsplit(address).path).name or MEMBER
    remedy = f"or give the file itself: {SEE_GRAPH.removeprefix('See ')}"
    file = RemoteFile(name, (address,), f"sha256:{sha256}")
    downloads.fetch("inception", (file,), directory, remedy)
    return directory / name


def _read(path: Path, sha256: str | None) -> bytes:
    if not path.is_file():
        expected = "inception.graph must be a file or an address"
        raise InputError(expected, f"{path}, no such file", SEE_GRAPH)
    content = path.read_bytes()
    received = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, received):
        raise InputError(f"{path} must have the SHA-256 {sha256}", received, SEE_SHA256)
    return content


def _unpack(content: bytes, where: str) -> bytes:
    """Returns the graph in an archive; nothing is written to the disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                has_name = Path(member.name).name == MEMBER
                if has_name and member.isfile() and member.size <= MAX_GRAPH_BYTES:
                    file = archive.extractfile(member)
                    return file.read() if file else b""
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _refused(where, f"a broken archive ({error})") from None
    raise _refused(where, f"an archive without {MEMBER}")


def _session(graph: bytes, where: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the function from uint8 images (n, height, width, 3) to the output.

    A session of TensorFlow 1, since the graph has operations that TensorFlow 2 no longer takes.
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
            reason = str(error).splitlines()[0]
            raise _refused(where, f"a graph that TensorFlow cannot build ({reason})") from None
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
    nodes = {node.name for node in definition.node}
    missing = [name for name in (INPUT, OUTPUT) if name not in nodes]
    if missing:
        raise _refused(where, f"no node {' and no node '.join(missing)}")
    for node in definition.node:  # written for one image at a time
        node.attr.pop("_output_shapes", None)
    return definition


def _refused(where: str, received: str) -> InputError:
    return InputError(
        f"{where} must be the frozen Inception graph ({MEMBER}, alone or in {NAME}.tgz) with the "
        f"nodes {INPUT} and {OUTPUT}",
        received,
        SEE_GRAPH,
    )
