"""Which files are listed: links, archives that are damaged or hostile, and what DVC watches."""

import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picture_trees import WRITERS, picture, tree, write_folder, write_tar, write_zip
from repository import environment

from genlab.data import members, picture_files
from genlab.imaging import decoding
from genlab.runtime.errors import InputError

SEE = "See --here"


def names(root: Path) -> list[str]:
    with picture_files.opened(root, SEE) as files:
        return ["/".join(file.parts) for file in files.pictures]


def refusal(call: Callable[..., Any], *arguments: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_that_the_decoder_reads_is_listed(tmp_path: Path, write: Any) -> None:
    endings = [
        "png",
        "PNG",
        "apng",
        "jpg",
        "JPEG",
        "jpe",
        "jfif",
        "webp",
        "bmp",
        "tif",
        "tiff",
        "gif",
    ]
    files = dict.fromkeys((f"a/x.{ending}" for ending in endings), picture(7))
    root = write(files, tmp_path / "own")
    with picture_files.opened(root, SEE) as inside:
        assert sorted("/".join(file.parts) for file in inside.pictures) == sorted(files)
        for file in inside.pictures:
            assert decoding.read_image(file.open(), 1, None, file.name).max() == 7
            assert file.name == str(root / "a" / file.parts[-1])


# Links


def test_links_are_followed_once(tmp_path: Path) -> None:
    root = write_folder(tree(["cats/a.png"]), tmp_path / "own")
    other = write_folder(tree(["a.png", "deep/b.png"]), tmp_path / "other")
    (root / "dogs").symlink_to(other)
    (root / "c.png").symlink_to(other / "a.png")
    (root / "cats" / "up").symlink_to(root)
    (other / "deep" / "round").symlink_to(root)
    assert names(root) == ["c.png", "cats/a.png", "dogs/a.png", "dogs/deep/b.png"]
    with picture_files.opened(root, SEE) as files:
        words = picture_files.words(files.left_out)
    assert words == "left out: 2 links to a folder above (cats/up, dogs/deep/round)"


@pytest.mark.parametrize("target", ["/nowhere", "a.png"])
def test_a_dead_link_is_named_on_both_roads(tmp_path: Path, target: str) -> None:
    root = write_folder(tree(["cats/b.png"]), tmp_path / "own")
    link = root / "cats" / "a.png"
    link.symlink_to(target)  # to itself, too
    for call in (names, picture_files.check):
        error = refusal(call, root if call is names else str(root))
        assert error.expected == f"{link} must lead to a file or folder"
        assert error.received == f"a link to {target}"
    link.rename(link.with_name(".hidden.png"))  # which DVC hashes all the same
    assert names(root) == ["cats/b.png"]
    assert "hidden" in refusal(picture_files.check, str(root)).expected


def test_folders_that_are_links_are_refused_where_dvc_watches(tmp_path: Path) -> None:
    other = write_folder(tree(["a.png"]), tmp_path / "other")
    root = write_folder(tree(["cats/a.png"]), tmp_path / "own")
    whole = tmp_path / "whole"
    whole.symlink_to(root)
    for path in (root, whole, tmp_path / "nowhere", write_zip(tree(["a.png"]), tmp_path / "a")):
        picture_files.check(str(path))
        picture_files.check_links(str(path))
    (root / "dogs").symlink_to(other)
    picture_files.check(str(root))
    error = refusal(picture_files.check_links, str(root))
    assert error.received == f"a link to {other}"
    assert error.where.endswith(f"rm '{root}/dogs' && cp -rs '{other}' '{root}/dogs'")


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tree(["cats/a.png"]), tmp_path / "own")
    scan = os.scandir

    def forbidding(path: Any) -> Any:
        if str(path).endswith("cats"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    for call in (names, picture_files.check):
        error = refusal(call, root if call is names else str(root))
        assert error.expected == f"{root}/cats must be a readable folder"
        assert error.received == "Permission denied"


@pytest.mark.slow
def test_dvc_sees_what_links_to_files_lead_to(tmp_path: Path) -> None:
    """What `check_links` says: behind a link to a folder DVC sees nothing."""

    def dvc(*words: str) -> str:
        command = ["dvc", *words]
        process = subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
        )
        return process.stdout

    other = write_folder(tree(["a.png"]), tmp_path / "other")
    root = write_folder(tree(["cats/a.png"]), tmp_path / "own")
    (root / "dogs").symlink_to(other)
    archive = write_zip(tree(["a.png"]), tmp_path / "archive")
    dvc("init", "--no-scm", "-q")
    dvc("stage", "add", "-q", "-n", "fetch", "-d", "own", "-d", "archive.zip", "true")
    dvc("repro", "-q")
    (other / "a.png").write_bytes(b"changed")
    assert "up to date" in dvc("status")
    (root / "dogs").unlink()
    subprocess.run(["cp", "-rs", other, root / "dogs"], check=True)
    dvc("repro", "-q")
    assert "up to date" in dvc("status")
    (other / "a.png").write_bytes(b"changed again")
    assert dvc("status").split() == ["fetch:", "changed", "deps:", "modified:", "own"]
    dvc("repro", "-q")
    write_zip(tree(["b.png"]), tmp_path / "archive")
    assert archive.name in dvc("status")


# Archives


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize("name", ["/etc/a.png", "../a.png", "cats/../../a.png"])
def test_members_outside_of_an_archive_are_refused(tmp_path: Path, write: Any, name: str) -> None:
    if write is write_tar:
        root = tmp_path / "own.tar"
        with tarfile.open(root, "w") as archive:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    else:
        root = write(tree(["a.png", name]), tmp_path / "own")
    error = refusal(names, root)
    assert error.expected == f"{root} must have members inside of it"
    assert error.received == repr(name)
    assert list(tmp_path.iterdir()) == [root]


def test_names_with_backslashes_are_folders(tmp_path: Path) -> None:
    assert names(write_zip(tree(["cats\\a.png"]), tmp_path / "own")) == ["cats/a.png"]


def test_links_in_a_tar(tmp_path: Path) -> None:
    root = write_tar(tree(["cats/a.png"]), tmp_path / "own")
    with tarfile.open(root, "a") as archive:
        for kind, name in ((tarfile.LNKTYPE, "cats/b.png"), (tarfile.SYMTYPE, "dogs")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "./cats/a.png"
            archive.addfile(link)
    assert names(root) == ["cats/a.png", "cats/b.png"]
    with picture_files.opened(root, SEE) as files:
        first, second = (decoding.read_image(file.open(), 1, None) for file in files.pictures)
        assert (first == second).all()
        assert picture_files.words(files.left_out) == "left out: 1 neither files nor folders (dogs)"


@pytest.mark.parametrize("write", WRITERS[1:])
def test_any_damage_is_refused_in_one_line_or_changes_nothing(tmp_path: Path, write: Any) -> None:
    root = write(tree(["cats/a.png", "dogs/b.png"]), tmp_path / "own")
    content, refused = root.read_bytes(), []
    for place in range(0, len(content), max(1, len(content) // 100)):
        for damaged in (content[:place], content[:place] + b"\x99" + content[place + 1 :]):
            root.write_bytes(damaged)
            try:
                with picture_files.opened(root, SEE) as files:
                    said = sum(map(len, files.left_out.values()))  # the ending of a name
                assert len(pictures_of(root)) + said == 2
            except InputError as error:
                refused.append(str(error))
    assert len(refused) > 20
    assert not any("\n" in line for line in refused)


def pictures_of(root: Path) -> set[bytes]:
    with picture_files.opened(root, SEE) as files:
        images = (decoding.read_image(file.open(), 1, None, file.name) for file in files.pictures)
        return {image.tobytes() for image in images}


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    root = write_zip(tree(["a.png", "b.png"]), tmp_path / "own")
    content = bytearray(root.read_bytes())
    content[60] ^= 255
    root.write_bytes(content)
    assert (
        refusal(pictures_of, root).expected == f"{root}/a.png must be a whole member of an archive"
    )


def test_an_archive_with_a_password_is_refused(tmp_path: Path) -> None:
    root = write_zip(tree(["a.png"]), tmp_path / "own")
    content = bytearray(root.read_bytes())
    content[6] |= 1  # the flag, in the member's header and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    root.write_bytes(content)
    assert "password" in refusal(pictures_of, root).received


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    text, arrays = tmp_path / "a.txt", tmp_path / "a.npz"
    text.write_text("no")
    with zipfile.ZipFile(arrays, "w") as archive:
        archive.writestr("images.npy", b"")
    for path in (text, arrays, tmp_path):
        assert not members.is_archive(path)
    error = refusal(names, text)
    assert error.expected.startswith(f"{text} must be a folder, a zip or a tar of pictures (PNG")
    assert (error.received, error.where) == ("another kind of file", SEE)
    assert refusal(names, tmp_path / "b").received == "no such file or folder"


def test_a_zip_that_is_cut_and_an_empty_file_are_called_so(tmp_path: Path) -> None:
    root = write_zip(tree(["a.png", "b.png"]), tmp_path / "own")
    root.write_bytes(root.read_bytes()[:-40])
    assert members.is_archive(root)
    assert refusal(names, root).expected == f"{root} must be a whole zip or tar"
    root.write_bytes(b"")
    assert refusal(names, root).received == "an empty file"


def test_previews_and_bins_of_file_managers_are_ignored(tmp_path: Path) -> None:
    places = ("@eaDir/a.png/t.jpg", "#recycle/b.png", "$RECYCLE.BIN/c.png", "lost+found/d.png")
    assert names(write_folder(tree(["a.png", *places]), tmp_path / "own")) == ["a.png"]
