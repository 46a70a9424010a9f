"""The published Inception protocol, on small graphs with the same nodes; and what is refused."""

import hashlib
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fixtures_models import random_images

from conftest import FileServer
from genlab.features import inception
from genlab.runtime.errors import InputError


def mean_colours(output: str = "pool_3", given: str = "Mul") -> bytes:
    """Returns a graph whose features are the mean colours, with the shapes of one image written in, as published."""
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, (1, 299, 299, 3), given)
        tf.nn.avg_pool2d(images, 299, 1, "VALID", name=output)
    return graph.as_graph_def(add_shapes=True).SerializeToString()


def archive(
    content: bytes, name: str = "classify_image_graph_def.pb", kind: bytes = tarfile.REGTYPE
) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for member, held in (("LICENSE", b"text"), (name, content)):
            info = tarfile.TarInfo(member)
            info.size, info.type = len(held), kind if member == name else tarfile.REGTYPE
            info.linkname = "LICENSE" if info.type == tarfile.SYMTYPE else ""
            packed.addfile(info, io.BytesIO(held))
    return file.getvalue()


def write(folder: Path, content: bytes, name: str = "graph.pb") -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def extractor(tmp_path: Path) -> inception.InceptionExtractor:
    found = inception.load(write(tmp_path, mean_colours()), None, tmp_path)
    assert found is not None
    return found


# The protocol


def test_one_colour_is_scaled_around_128(extractor: inception.InceptionExtractor) -> None:
    images = np.empty((2, 5, 7, 3), np.uint8)
    images[0], images[1] = (0, 128, 255), (64, 192, 1)
    found = extractor.extract(images)
    expected = [[-1, 0, 127 / 128], [-0.5, 0.5, -127 / 128]]
    np.testing.assert_allclose(found.features, expected, atol=1e-6)
    assert (found.features.dtype, found.classes.dtype, found.classes.tolist()) == (
        np.float32,
        np.int64,
        [0, 0],
    )
    assert extractor.num_classes == 0


def test_resize_takes_pixels_where_tensorflow_1_did() -> None:
    """Pixel i lies at i * 2 / 299 of two: 0 at the left edge, still below 1 at 149, past the last one from 150 on."""
    images = np.array([0, 100], np.uint8).reshape(1, 1, 2, 1)
    found = np.asarray(inception.resize(tf.constant(images)))
    assert found.shape == (1, 299, 299, 1)
    row = found[0, 17, :, 0]
    assert row[0] == 0
    np.testing.assert_allclose(row[[1, 75, 149]], [200 / 299, 15000 / 299, 29800 / 299], rtol=1e-5)
    np.testing.assert_array_equal(row[150:], 100)


def test_resize_on_the_whole_grid() -> None:
    image = random_images(1, (5, 8, 3))[0].astype(np.float64)
    rows, columns = np.arange(299) * 5 / 299, np.arange(299) * 8 / 299
    tops, lefts = rows.astype(int), columns.astype(int)
    down, right = (rows - tops)[:, None, None], (columns - lefts)[None, :, None]
    bottoms, rights = np.minimum(tops + 1, 4), np.minimum(lefts + 1, 7)
    upper = image[tops][:, lefts] * (1 - right) + image[tops][:, rights] * right
    lower = image[bottoms][:, lefts] * (1 - right) + image[bottoms][:, rights] * right
    found = np.asarray(inception.resize(tf.constant(image[np.newaxis].astype(np.uint8))))[0]
    np.testing.assert_allclose(found, upper * (1 - down) + lower * down, atol=1e-2)


def test_grey_is_repeated(extractor: inception.InceptionExtractor) -> None:
    grey = random_images(3, (6, 6, 1))
    np.testing.assert_array_equal(
        extractor.extract(grey).features, extractor.extract(np.repeat(grey, 3, axis=-1)).features
    )
    assert extractor.settings["grey"] == "repeated to three channels"


def test_features_do_not_depend_on_how_many_images_follow(
    extractor: inception.InceptionExtractor,
) -> None:
    images = random_images(63, (4, 4, 3))
    found = extractor.extract(images).features
    assert found.shape == (63, 3)
    np.testing.assert_array_equal(extractor.extract(images[:7]).features, found[:7])


def test_operations_that_tensorflow_2_dropped_are_computed(tmp_path: Path) -> None:
    """The published graph normalises with an operation that is forbidden in graphs newer than version 8."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 8
    graph.node.add(name="Mul", op="Placeholder").attr["dtype"].type = tf.float32.as_datatype_enum
    constants = {
        "mean": [0.5, 0, 0],
        "variance": [4.0, 1, 1],
        "beta": [1.0, 2, 3],
        "gamma": [6.0, 1, 1],
    }
    for name, values in constants.items():
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array(values, np.float32)))
    node = graph.node.add(
        name="norm", op="BatchNormWithGlobalNormalization", input=["Mul", *constants]
    )
    node.attr["T"].type = tf.float32.as_datatype_enum
    node.attr["variance_epsilon"].f = 0.0
    node.attr["scale_after_normalization"].b = True
    node = graph.node.add(name="pool_3", op="AvgPool", input=["norm"])
    node.attr["T"].type = tf.float32.as_datatype_enum
    node.attr["padding"].s = b"VALID"
    for name, size in (("ksize", 299), ("strides", 1)):
        node.attr[name].list.i.extend([1, size, size, 1])
    found = inception.load(write(tmp_path, graph.SerializeToString()), None, tmp_path)
    assert found is not None
    features = found.extract(np.full((2, 3, 3, 3), 192, np.uint8)).features  # 0.5 after scaling
    np.testing.assert_allclose(features, [[0 * 6 / 2 + 1, 2.5, 3.5]] * 2, atol=1e-5)


# Where the graph comes from


def test_no_graph_is_no_extractor(tmp_path: Path) -> None:
    assert inception.load(None, None, tmp_path) is None


def test_graph_and_archive_are_one_extractor(tmp_path: Path) -> None:
    graph, images = mean_colours(), random_images(2, (4, 4, 3))
    found = []
    for content, name in (
        (graph, "graph.pb"),
        (archive(graph), "graph.tgz"),
        (archive(graph, "a/../../" + NAME), "b"),
    ):
        loaded = inception.load(
            write(tmp_path, content, name), sha256(content), tmp_path / "unused"
        )
        assert loaded is not None
        assert loaded.settings["weights_sha256"] == sha256(graph)
        found.append(loaded.extract(images).features)
    np.testing.assert_array_equal(found[0], found[1])
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "b",
        "graph.pb",
        "graph.tgz",
    ]  # nothing was unpacked


NAME = "classify_image_graph_def.pb"


def test_archive_is_downloaded_once(server: FileServer, workplace: Path) -> None:
    content = archive(mean_colours())
    server.files["/models/inception-2015-12-05.tgz"] = content
    for _ in range(2):
        loaded = inception.load(
            f"{server.address}/models/inception-2015-12-05.tgz", sha256(content), workplace / "kept"
        )
        assert loaded is not None
    assert server.requests == ["/models/inception-2015-12-05.tgz"]
    assert (workplace / "kept" / "inception-2015-12-05.tgz").read_bytes() == content


def test_wrong_download_is_refused(server: FileServer, workplace: Path) -> None:
    server.files["/graph.pb"] = b"something else"
    with pytest.raises(
        InputError, match=rf"^graph.pb of inception must .* must be {'0' * 64}, received {'.' * 64}"
    ):
        inception.load(f"{server.address}/graph.pb", "0" * 64, workplace)
    with pytest.raises(
        InputError, match=r"^inception.sha256 must be given for an address. Received: none for http"
    ):
        inception.load(f"{server.address}/graph.pb", None, workplace)


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
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: bytes, received: str) -> None:
    with pytest.raises(InputError) as refusal:
        inception.load(write(tmp_path, content), None, tmp_path)
    message = str(refusal.value)
    assert re.search(
        rf"graph.pb must be the frozen Inception graph .* Received: {re.escape(received)}", message
    )
    assert message.endswith("See params.yaml: evaluation.inception.graph, or --inception-graph.")
    assert "\n" not in message


def test_graph_of_another_output_shape_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, (None, 299, 299, 3), "Mul")
        tf.reduce_mean(images, axis=(1, 2), name="pool_3")
    loaded = inception.load(
        write(tmp_path, graph.as_graph_def().SerializeToString()), None, tmp_path
    )
    assert loaded is not None
    with pytest.raises(InputError, match=r"Received: an output pool_3:0 of the shape \(50, 3\)"):
        loaded.extract(random_images(2, (4, 4, 3)))


def test_wrong_sum_and_missing_file_are_refused(tmp_path: Path) -> None:
    content = mean_colours()
    path = write(tmp_path, content)
    with pytest.raises(
        InputError, match=rf"must have the SHA-256 {'a' * 64}. Received: {sha256(content)}. See"
    ):
        inception.load(path, "a" * 64, tmp_path)
    with pytest.raises(
        InputError,
        match=r"^inception.graph must be a file or an address. Received: .*, no such file.",
    ):
        inception.load(str(tmp_path / "nowhere.pb"), None, tmp_path)
