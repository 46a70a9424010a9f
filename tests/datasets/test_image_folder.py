"""The user's own pictures: every kind of file, the split, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import write_pictures
from genlab.datasets import image_folder
from genlab.runtime.errors import InputError
from genlab.settings.params import Params

ChangeData = Callable[..., Params]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def read_one(
    own: Path, change_data: ChangeData, picture: Image.Image, name: str = "a.png", **data: Any
) -> np.ndarray:
    """Returns a picture as `image_folder` reads it."""
    picture.save(own / name)
    settings = change_data(directory=str(own), test_share=1e-9, **data).data
    return image_folder.read(own, settings, 0)["train"].images[0]


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
        (
            Image.new("RGB", (4, 4), (9, 8, 7)).convert("P", palette=Image.Palette.ADAPTIVE),
            3,
            [9, 8, 7],
        ),
    ],
)
def test_image_folder_understands_every_kind_of_png(
    own: Path, change_data: ChangeData, picture: Image.Image, channels: int, expected: list[int]
) -> None:
    image = read_one(own, change_data, picture, channels=channels)
    assert image.shape == (4, 4, channels)
    assert np.all(image == expected)


def test_image_folder_reads_jpeg_upright(own: Path, change_data: ChangeData) -> None:
    picture = Image.new("CMYK", (6, 4), (0, 0, 0, 255))
    picture.getexif()[image_folder.ORIENTATION] = 6
    exif = picture.getexif()
    picture.save(own / "b.JPEG", exif=exif)
    image = image_folder.read(own, change_data(directory=str(own), test_share=1e-9).data, 0)[
        "train"
    ].images[0]
    assert image.shape == (6, 4, 3)
    assert image.max() <= 3


def test_image_folder_resizes_by_filling(own: Path, change_data: ChangeData) -> None:
    values = np.zeros((8, 24), np.uint8)
    values[:, 8:16] = 200  # the middle square is what stays
    image = read_one(own, change_data, Image.fromarray(values), channels=1, image_size=(4, 4))
    assert image.shape == (4, 4, 1)
    assert np.all(image[:, 1:3] >= 190)


def test_image_folder_ignores_hidden_and_other_files(own: Path, change_data: ChangeData) -> None:
    write_pictures(own)
    (own / ".thumbnails").mkdir()
    (own / ".thumbnails" / "broken.png").write_bytes(b"no")
    (own / "cats" / ".hidden.png").write_bytes(b"no")
    (own / "cats" / "notes.txt").write_text("no")
    (own / "empty").mkdir()
    data = change_data(directory=str(own)).data
    assert image_folder.read_class_names(data) == ("cats", "dogs")
    splits = image_folder.read(own, data, 0)
    assert sum(len(part.labels) for part in splits.values()) == 40


def test_image_folder_without_subfolders_has_no_labels(own: Path, change_data: ChangeData) -> None:
    data = change_data(directory=str(own)).data
    for number in range(30):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(own / f"{number}.png")
    assert image_folder.read_class_names(data) == ()
    assert {
        label for part in image_folder.read(own, data, 0).values() for label in part.labels
    } == {-1}


def test_image_folder_puts_equal_pictures_on_one_side(own: Path, change_data: ChangeData) -> None:
    for number in range(30):
        Image.new("RGB", (4, 4), (number % 10 * 20, 0, 0)).save(
            own / f"{number}.png", compress_level=number % 9 + 1
        )
    splits = image_folder.read(own, change_data(directory=str(own), test_share=0.4).data, 0)
    sides = [{image.tobytes() for image in part.images} for part in splits.values()]
    assert len(sides[0]) + len(sides[1]) == 10
    assert sides[0].isdisjoint(sides[1])


def test_image_folder_adding_pictures_moves_no_other(own: Path, change_data: ChangeData) -> None:
    data = change_data(directory=str(own)).data
    write_pictures(own)
    before = {image.tobytes() for image in image_folder.read(own, data, 0)["test"].images}
    Image.new("RGB", (10, 12), "red").save(own / "cats" / "000a.png")
    after = {image.tobytes() for image in image_folder.read(own, data, 0)["test"].images}
    assert before <= after
    assert len(after - before) <= 1


def refusal(own: Path, change_data: ChangeData, **data: Any) -> str:
    with pytest.raises(InputError) as caught:
        image_folder.read(own, change_data(directory=str(own), **data).data, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_image_folder_refuses_what_is_missing_or_empty(own: Path, change_data: ChangeData) -> None:
    end = "See params.yaml: data.directory."
    assert refusal(own, change_data) == f"{own} must hold PNG or JPEG files. Received: none. {end}"
    own.rmdir()
    missing = f"{own} must be a folder of PNG or JPEG files. Received: no such folder. {end}"
    assert refusal(own, change_data) == missing


def test_image_folder_names_the_unreadable_file(own: Path, change_data: ChangeData) -> None:
    write_pictures(own)
    path = own / "dogs" / "bad.jpg"
    path.write_bytes(b"this is text")
    end = "Received: not an image. Mend or remove it."
    assert refusal(own, change_data) == f"{path} must be a readable PNG or JPEG file. {end}"
    whole = (own / "dogs" / "001.png").read_bytes()
    path.unlink()
    (own / "dogs" / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert refusal(own, change_data).startswith(
        f"{own / 'dogs' / 'cut.png'} must be a readable PNG or JPEG file. Rec"
    )


def test_image_folder_names_the_mixed_sizes(own: Path, change_data: ChangeData) -> None:
    Image.new("RGB", (10, 12)).save(own / "a.png")
    Image.new("RGB", (10, 14)).save(own / "b.png")
    assert refusal(own, change_data) == (
        "pictures must have one size (height x width), or data.image_size must be set. "
        f"Received: {own / 'a.png'} is 12x10, {own / 'b.png'} is 14x10. See params.yaml: data.image_size."
    )


def test_image_folder_refuses_pictures_beside_subfolders(
    own: Path, change_data: ChangeData
) -> None:
    write_pictures(own)
    Image.new("RGB", (10, 12)).save(own / "stray.png")
    assert "Received: stray.png and 0 more beside the subfolders." in refusal(own, change_data)
