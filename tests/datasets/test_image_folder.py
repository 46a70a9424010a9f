"""The user's own pictures: every kind of file, the split, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_server import write_pictures
from picture_trees import WRITERS, tree
from PIL import Image

from genlab.contract.fields import Field
from genlab.data.declaration import RawSplits
from genlab.datasets import image_folder
from genlab.imaging import decoding
from genlab.runtime.errors import InputError
from genlab.settings.params import Params

Read = Callable[..., RawSplits]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def read(own: Path, change_data: Callable[..., Params]) -> Read:
    """Returns a function that reads the pictures in `own`, by default all for train."""

    def read(**data: Any) -> RawSplits:
        settings = change_data(**{"directory": str(own), "test_share": 1e-9} | data).data
        return image_folder.read(own, settings, 0)

    return read


def images_of(raw: RawSplits) -> tuple[set[bytes], set[bytes]]:
    train, test = ({image.tobytes() for image in part["images"]} for part in (raw.train, raw.test))
    return train, test


@pytest.mark.parametrize(
    ("picture", "channels", "expected"),
    [
        (Image.fromarray(np.full((4, 4), 257 * 100, np.uint16)), 1, [100]),  # 16 bits
        (Image.new("L", (4, 4), 77), 3, [77, 77, 77]),
        (Image.new("1", (4, 4), 1), 1, [255]),
        (Image.new("RGB", (4, 4), (255, 0, 0)), 1, [76]),  # 0.299 of 255, ITU-R BT.601
        (Image.new("RGBA", (4, 4), (10, 20, 30, 0)), 3, [255, 255, 255]),  # transparent: white
        (Image.new("RGBA", (4, 4), (10, 20, 30, 255)), 3, [10, 20, 30]),
        (Image.new("LA", (4, 4), (0, 0)), 1, [255]),
        (Image.new("RGB", (4, 4), (9, 8, 7)).quantize(2), 3, [9, 8, 7]),
    ],
)
def test_every_kind_of_png_is_understood(
    own: Path, read: Read, picture: Image.Image, channels: int, expected: list[int]
) -> None:
    picture.save(own / "a.png")
    image = read(channels=channels).train["images"][0]
    assert image.shape == (4, 4, channels)
    assert np.all(image == expected)


def test_jpeg_is_turned_upright(own: Path, read: Read) -> None:
    picture = Image.new("CMYK", (6, 4), (0, 0, 0, 255))
    exif = picture.getexif()
    exif[decoding.ORIENTATION] = 6
    picture.save(own / "b.JPEG", exif=exif)
    image = read().train["images"][0]
    assert image.shape == (6, 4, 3)
    assert image.max() <= 3


def test_resized_picture_fills_its_size(own: Path, read: Read) -> None:
    values = np.zeros((8, 24), np.uint8)
    values[:, 8:16] = 200  # the middle square is what stays
    Image.fromarray(values).save(own / "a.png")
    raw = read(channels=1, image_size=(4, 4))
    assert raw.fields == {"images": Field((4, 4, 1), "image")}
    assert np.all(raw.train["images"][0, :, 1:3] >= 190)


def test_hidden_and_other_files_are_ignored(own: Path, read: Read) -> None:
    write_pictures(own)
    (own / ".thumbnails").mkdir()
    (own / ".thumbnails" / "broken.png").write_bytes(b"no")
    (own / "cats" / ".hidden.png").write_bytes(b"no")
    (own / "cats" / "notes.txt").write_text("no")
    raw = read(test_share=0.2)
    assert raw.fields["labels"].class_names == ("cats", "dogs")
    labels = {
        image.tobytes(): label
        for part in (raw.train, raw.test)
        for image, label in zip(part["images"], part["labels"], strict=True)
    }
    assert len(labels) == 40
    for path in own.glob("*s/0*.png"):
        with Image.open(path) as picture:
            assert labels[picture.tobytes()] == ["cats", "dogs"].index(path.parent.name)


def test_without_subfolders_there_are_no_labels(own: Path, read: Read) -> None:
    for number in range(30):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(own / f"{number}.png")
    raw = read(test_share=0.2)
    assert list(raw.fields) == list(raw.train) == list(raw.test) == ["images"]


def test_equal_pictures_are_on_one_side_and_more_move_no_other(own: Path, read: Read) -> None:
    for number in range(30):
        picture = Image.new("RGB", (4, 4), (number % 10 * 20, 0, 0))
        picture.save(own / f"{number}.png", compress_level=number % 9 + 1)
    train, test = images_of(read(test_share=0.4))
    assert len(train) + len(test) == 10
    assert train.isdisjoint(test)
    Image.new("RGB", (4, 4), "blue").save(own / "000a.png")
    more_train, more_test = images_of(read(test_share=0.4))
    assert train <= more_train
    assert test <= more_test


@pytest.mark.parametrize("write", WRITERS)
def test_own_splits_stay_as_they_are(
    tmp_path: Path, change_data: Callable[..., Params], write: Any
) -> None:
    names = [
        f"top/{split}/{name}/{number}.png"
        for split, size in (("train", 30), ("test", 10), ("val", 6))
        for name in ("cats", "dogs")
        for number in range(size)
    ]
    directory = str(write(tree(names), tmp_path / "trees"))
    raw = image_folder.read(tmp_path, change_data(directory=directory, channels=1).data, 0)
    numbers = dict(zip(names, range(len(names)), strict=True))  # the grey value of each picture
    for split, part in (("train", raw.train), ("test", raw.test), ("val", raw.validation)):
        expected = [numbers[name] for name in sorted(names) if f"/{split}/" in name]
        assert part is not None
        assert part["images"][:, 0, 0, 0].tolist() == expected
        assert part["labels"].tolist() == [0] * (len(expected) // 2) + [1] * (len(expected) // 2)
    without = {name: content for name, content in tree(names).items() if "/test/" not in name}
    directory = str(write(without, tmp_path / "less"))
    raw = image_folder.read(tmp_path, change_data(directory=directory, channels=1).data, 0)
    assert raw.validation is not None
    assert len(raw.validation["images"]) == 12
    assert len(raw.train["images"]) + len(raw.test["images"]) == 60
    assert 3 < len(raw.test["images"]) < 25


def test_a_table_gives_factors(own: Path, read: Read) -> None:
    for name, content in tree(f"{number}.png" for number in range(20)).items():
        (own / name).write_bytes(content)
    lines = [f"{number}.png,{'ab'[number % 2]},{number / 2}" for number in range(20)]
    (own / "metadata.csv").write_text("\n".join(["file_name,label,half", *lines]))
    raw = read(channels=1, test_share=0.4)
    assert raw.fields["factors"] == Field((1,), "factors", ("half",))
    assert raw.fields["labels"].class_names == ("a", "b")
    for part in (raw.train, raw.test):
        numbers = part["images"][:, 0, 0, 0]
        assert len(numbers) > 2
        np.testing.assert_array_equal(part["factors"][:, 0], numbers / 2)
        np.testing.assert_array_equal(part["labels"], numbers % 2)


def test_what_is_read_is_said(own: Path, read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(own)
    (own / "notes.txt").touch()
    read()
    expected = (
        "(cats, dogs); split: validation and test by a hash of each picture; left out: 1 .txt"
    )
    assert f"fetch: 40 pictures in {own}: 2 classes by folder {expected}" in capsys.readouterr().err
    assert len(image_folder.read_all(own, None, "See --real")) == 40
    assert "40 pictures; left out: 1 .txt (notes.txt)" in capsys.readouterr().err


def test_folders_behind_links_are_refused_but_scored(own: Path, read: Read, tmp_path: Path) -> None:
    write_pictures(own)
    (own / "cats").rename(tmp_path / "cats")
    (own / "cats").symlink_to(tmp_path / "cats")
    assert refusal(read).received == f"a link to {tmp_path}/cats"
    assert len(image_folder.read_all(own, None, "See --real")) == 40


def refusal(read: Read, **data: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read(**data)
    assert "\n" not in str(caught.value)
    return caught.value


def test_missing_and_empty_folders_are_refused(own: Path, read: Read) -> None:
    assert refusal(read).args == (
        f"{own} must hold pictures (PNG, JPEG, WebP, BMP, TIFF or GIF)",
        "none",
        "See params.yaml: data.directory",
    )
    own.rmdir()
    assert refusal(read).received == "no such file or folder"


def test_unreadable_file_is_named(own: Path, read: Read) -> None:
    write_pictures(own)
    whole = (own / "dogs" / "001.png").read_bytes()
    for name, content in (("bad.jpg", b"this is text"), ("cut.png", whole[: len(whole) // 2])):
        path = own / "dogs" / name
        path.write_bytes(content)
        error = refusal(read)
        assert error.expected == f"{path} must be a readable picture ({decoding.KINDS})"
        assert (error.received == "not an image") == (name == "bad.jpg")
        path.unlink()


def test_mixed_sizes_are_named(own: Path, read: Read) -> None:
    Image.new("RGB", (10, 12)).save(own / "a.png")
    Image.new("RGB", (10, 14)).save(own / "b.png")
    error = refusal(read)
    assert error.received == f"{own / 'a.png'} is 12x10, {own / 'b.png'} is 14x10"
    assert "data.image_size must be set" in error.expected
    assert error.where == "See params.yaml: data.image_size"
    with pytest.raises(InputError) as caught:
        image_folder.read_all(own, None, "See --real")
    assert caught.value.where == "See --real"


def test_images_that_do_not_fit_into_memory_are_refused_with_the_bytes(
    own: Path, read: Read
) -> None:
    Image.new("RGB", (4, 4)).save(own / "a.png")
    error = refusal(read, image_size=(10_000_000, 100_000))
    assert error.expected == "images must fit into memory"
    assert error.received.startswith("3,000,000,000,000 bytes for 1 of 10000000x100000x3, ")
    assert error.received.endswith(" free")
    assert error.where == "See params.yaml: data.image_size"


def test_pictures_beside_subfolders_are_refused(own: Path, read: Read) -> None:
    write_pictures(own)
    Image.new("RGB", (10, 12)).save(own / "stray.png")
    assert refusal(read).received == "stray.png and 0 more beside the subfolders"
