"""The published Inception protocol, on small graphs with the same nodes; and what is refused."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from file_server import FileServer
from fixtures_models import random_images

from genlab.features import inception
from genlab.runtime.errors import InputError

NAME = "classify_image_graph_def.pb"


def mean_colours(output: str = "pool_3", given: str = "Mul") -> bytes:
    """Returns a graph whose features are the mean colours, of one image at a time, as published."""
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, (1, 299, 299, 3), given)
        tf.nn.avg_pool2d(images, 299, 1, "VALID", name=output)
    return graph.as_graph_def(add_shapes=True).SerializeToString()


def archive(content: bytes, name: str = NAME, kind: bytes = tarfile.REGTYPE) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        packed.addfile(tarfile.TarInfo("LICENSE"))
        member = tarfile.TarInfo(name)
        member.size, member.type, member.linkname = len(content), kind, "LICENSE"
        packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


def load(folder: Path, content: bytes, sha256: str | None = None) -> inception.InceptionExtractor:
    (folder / "graph.pb").write_bytes(content)
    extractor = inception.load(str(folder / "graph.pb"), sha256, folder / "unused")
    assert extractor is not None
    return extractor


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def extractor(tmp_path: Path) -> inception.InceptionExtractor:
    return load(tmp_path, mean_colours())


# The protocol


def test_one_colour_is_scaled_around_128(extractor: inception.InceptionExtractor) -> None:
    images = np.empty((2, 5, 7, 3), np.uint8)
    images[0], images[1] = (0, 128, 255), (64, 192, 1)
    features, classes = extractor.extract(images)
    expected = [[-1, 0, 127 / 128], [-0.5, 0.5, -127 / 128]]
    np.testing.assert_allclose(features, expected, atol=1e-6)
    assert (features.dtype, classes.dtype, classes.tolist()) == (np.float32, np.int64, [0, 0])
    assert extractor.num_classes == 0


def test_resize_takes_pixels_where_tensorflow_1_did() -> None:
    """Pixel i of 299 is at i * size / 299, between its neighbours; the last one is repeated."""
    image = random_images(1, (5, 8, 3))[0].astype(np.float64)
    rows, columns = np.arange(299) * 5 / 299, np.arange(299) * 8 / 299
    tops, lefts = rows.astype(int), columns.astype(int)
    down, right = (rows - tops)[:, None, None], (columns - lefts)[None, :, None]
    bottoms, rights = np.minimum(tops + 1, 4), np.minimum(lefts + 1, 7)
    upper = image[tops][:, lefts] * (1 - right) + image[tops][:, rights] * right
    lower = image[bottoms][:, lefts] * (1 - right) + image[bottoms][:, rights] * right
    resized = np.asarray(inception.resize(tf.constant(image[np.newaxis].astype(np.uint8))))[0]
    np.testing.assert_allclose(resized, upper * (1 - down) + lower * down, atol=1e-2)


def test_grey_is_repeated(extractor: inception.InceptionExtractor) -> None:
    grey = random_images(3, (6, 6, 1))
    colour = np.repeat(grey, 3, axis=-1)
    features = extractor.extract(grey).features
    np.testing.assert_array_equal(features, extractor.extract(colour).features)
    assert extractor.settings["grey"] == "repeated to three channels"


def test_features_do_not_depend_on_how_many_images_follow(
    extractor: inception.InceptionExtractor,
) -> None:
    images = random_images(63, (4, 4, 3))
    features = extractor.extract(images).features
    assert features.shape == (63, 3)
    np.testing.assert_array_equal(extractor.extract(images[:7]).features, features[:7])


def test_operations_that_tensorflow_2_dropped_are_computed(tmp_path: Path) -> None:
    """The published graph normalises with an operation that graphs newer than version 8 forbid."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 8
    float32 = tf.float32.as_datatype_enum
    graph.node.add(name="Mul", op="Placeholder").attr["dtype"].type = float32
    constants = {"mean": [0.5, 0, 0], "variance": [4, 1, 1], "beta": [1, 2, 3], "gamma": [6, 1, 1]}
    for name, values in constants.items():
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = float32
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array(values, np.float32)))
    inputs = ["Mul", *constants]
    node = graph.node.add(name="norm", op="BatchNormWithGlobalNormalization", input=inputs)
    node.attr["T"].type = float32
    node.attr["variance_epsilon"].f = 0.0
    node.attr["scale_after_normalization"].b = True
    node = graph.node.add(name="pool_3", op="AvgPool", input=["norm"])
    node.attr["T"].type = float32
    node.attr["padding"].s = b"VALID"
    for name, size in (("ksize", 299), ("strides", 1)):
        node.attr[name].list.i.extend([1, size, size, 1])
    images = np.full((2, 3, 3, 3), 192, np.uint8)  # 0.5 after scaling
    features = load(tmp_path, graph.SerializeToString()).extract(images).features
    np.testing.assert_allclose(features, [[0 * 6 / 2 + 1, 2.5, 3.5]] * 2, atol=1e-5)


# Where the graph comes from


def test_no_graph_is_no_extractor(tmp_path: Path) -> None:
    assert inception.load(None, None, tmp_path) is None


def test_graph_and_archive_are_one_extractor(tmp_path: Path) -> None:
    graph, images = mean_colours(), random_images(2, (4, 4, 3))
    expected = load(tmp_path, graph).extract(images).features
    for content in (graph, archive(graph), archive(graph, "a/../../" + NAME)):
        extractor = load(tmp_path, content, sha256(content))
        assert extractor.settings["weights_sha256"] == sha256(graph)
        np.testing.assert_array_equal(extractor.extract(images).features, expected)
    assert [path.name for path in tmp_path.rglob("*")] == ["graph.pb"]  # nothing was unpacked


def test_archive_is_downloaded_once(server: FileServer, workplace: Path) -> None:
    content = archive(mean_colours())
    path = "/models/inception-2015-12-05.tgz"
    server.files[path] = content
    for _ in range(2):
        assert inception.load(f"{server.address}{path}", sha256(content), workplace / "kept")
    assert server.requests == [path]
    assert (workplace / "kept" / "inception-2015-12-05.tgz").read_bytes() == content


def random_bytes(number: int) -> bytes:
    return np.random.default_rng(0).bytes(number)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (mean_colours(output="pool_2"), "no node pool_3"),
        (mean_colours("pool_2", "images"), "no node Mul and no node pool_3"),
        (random_bytes(500), "no graph"),
        (b"", "no node Mul and no node pool_3"),
        (b"\x89PNG\r\n", "no graph"),
        (archive(b"", "other.pb"), f"an archive without {NAME}"),
        (archive(b"", NAME, tarfile.SYMTYPE), f"an archive without {NAME}"),
        (archive(mean_colours())[:-30], "a broken archive"),
        (archive(random_bytes(500)), "no graph"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, received: str) -> None:
    with pytest.raises(InputError, match=r"graph.pb must be the frozen Inception graph") as caught:
        load(tmp_path, content)
    assert caught.value.received.startswith(received)
    assert caught.value.where.startswith("See params.yaml: evaluation.inception.graph")
    assert "\n" not in str(caught.value)


def test_graph_of_another_output_shape_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, (None, 299, 299, 3), "Mul")
        tf.reduce_mean(images, axis=(1, 2), name="pool_3")
    extractor = load(tmp_path, graph.as_graph_def().SerializeToString())
    with pytest.raises(InputError, match=r"an output pool_3:0 of the shape \(50, 3\)"):
        extractor.extract(random_images(2, (4, 4, 3)))


def test_wrong_sums_and_missing_files_are_refused(server: FileServer, workplace: Path) -> None:
    (workplace / "graph.pb").write_bytes(b"a graph")
    server.files["/graph.pb"] = b"something else"
    address = f"{server.address}/graph.pb"
    for graph, checksum, received in (
        ("graph.pb", "a" * 64, sha256(b"a graph")),
        ("nowhere.pb", None, "nowhere.pb, no such file"),
        (address, "0" * 64, f"sha256 must be {'0' * 64}, received {sha256(b'something else')}"),
        (address, None, f"none for {address}"),
    ):
        with pytest.raises(InputError) as caught:
            inception.load(graph, checksum, workplace / "kept")
        assert received in caught.value.received
