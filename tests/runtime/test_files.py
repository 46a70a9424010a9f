"""Files, folders and entries of a journal are whole."""

import os
import re
import resource
from pathlib import Path

import pytest
from fixtures_models import contents

from genlab.runtime import files
from genlab.runtime.errors import InputError
from genlab.tracking.journal import Journal

WORDS = files.FolderKind("words", ("words", "first", "second"))
MARKED = files.FolderKind("pages", ("page", "other"), mark=b"by genlab")


def test_what_replaces_another_is_whole(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    for text in ("first", "second"):
        with files.replacing(folder, WORDS) as building:
            building.mkdir()
            (building / "words").touch()
            (building / text).touch()
        with files.replacing(file) as building:
            building.write_text(text)
    for out, kind in ((folder, WORDS), (file, None)):
        with pytest.raises(KeyboardInterrupt), files.replacing(out, kind) as building:  # noqa: PT012
            building.write_text("third")
            raise KeyboardInterrupt
    assert contents(tmp_path) == {"file": b"second", "folder/second": b"", "folder/words": b""}


# By path a text (a folder ends in /, a link in @), and why `out` stays; None: it is replaced.
PLACES: list[tuple[files.FolderKind | None, dict[str, str], str | None]] = [
    (WORDS, {}, None),
    (WORDS, {"out/": ""}, None),
    (WORDS, {"out/words": "", "out/second": "", "out/.DS_Store": ""}, None),
    (WORDS, {"out/words": "", "out/sub/": ""}, None),
    (WORDS, {"out/second": ""}, "a folder without words"),
    (WORDS, {"out/sub/": ""}, "a folder without words"),
    (WORDS, {"out/words": "", "out/notes.txt": ""}, "a folder with notes.txt"),
    (WORDS, {"out/words": "", "out/sub/first": ""}, "a folder with sub/first"),
    (WORDS, {"out/words": "", "out/link@": "elsewhere"}, "a folder with link"),
    (WORDS, {"out": "text"}, "a file"),
    (WORDS, {"elsewhere/words": "", "out@": "elsewhere"}, "a symbolic link"),
    (WORDS, {"out@": "nowhere"}, "a symbolic link"),
    (MARKED, {"out/page": "<Made by genlab>"}, None),
    (MARKED, {"out/page": "<Made by genlab>", "out/other": "mine"}, "a folder with other"),
    (None, {"out": "text"}, None),
    (None, {"out/": ""}, None),
    (None, {"out@": "nowhere"}, None),
    (None, {"out/words": ""}, "a folder that is not empty"),
    (None, {"elsewhere/words": "", "out@": "elsewhere"}, "a folder that is not empty"),
]


@pytest.mark.parametrize(("kind", "places", "obstacle"), PLACES)
def test_only_what_genlab_wrote_is_replaced(
    tmp_path: Path, kind: files.FolderKind | None, places: dict[str, str], obstacle: str | None
) -> None:
    for name, text in places.items():
        path = tmp_path / name.rstrip("/@")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        elif name.endswith("@"):
            path.symlink_to(text)
        else:
            path.write_text(text)
    before, out = contents(tmp_path), tmp_path / "out"
    if obstacle is None:
        with files.replacing(out, kind) as building:
            building.mkdir() if kind else building.write_text("new")
        assert out.is_dir() == (kind is not None)
        assert not out.is_symlink()
        return
    with pytest.raises(InputError) as caught, files.replacing(out, kind):
        pytest.fail("the block has begun")
    assert caught.value.received == obstacle
    assert caught.value.where == "Choose another place; nothing was removed"
    assert contents(tmp_path) == before


def test_what_came_in_between_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError), files.replacing(out, WORDS) as building:  # noqa: PT012
        building.mkdir()
        out.mkdir()
        (out / "mine").touch()
    assert contents(tmp_path) == {"out/mine": b""}


def test_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        files.check_free(tmp_path / "file" / "sub" / "out")
    assert caught.value.received == str(tmp_path / "file")


def test_what_is_neither_file_nor_folder_stays(tmp_path: Path) -> None:
    device = tmp_path / "pipe"
    os.mkfifo(device)
    (tmp_path / "link").symlink_to(device)
    for path in (device, tmp_path / "link"):
        with pytest.raises(InputError, match="neither a file nor a folder"):
            files.check_free(path)
    assert device.is_fifo()


def test_working_directory_is_replaced_if_it_is_empty(workplace: Path) -> None:
    with files.replacing(Path(), WORDS) as building:
        building.mkdir()
        (building / "words").touch()
    assert contents(workplace) == {"words": b""}


def test_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / ".room").symlink_to("/dev/full")
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{tmp_path}'")):
        files.check_room(tmp_path, [1])
    files.check_room(tmp_path, [1, 10_000])
    assert list(tmp_path.iterdir()) == []


def test_journal_takes_an_entry_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    journal = Journal.create({"uri": "none"})
    path = journal.folder / "journal.jsonl"
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, former[1]))
    try:
        with pytest.raises(OSError, match=re.escape(f"File too large: '{path}'")):
            journal.append({"type": "metrics", "metrics": {"loss": 1.0}, "step": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    journal.append({"type": "end", "status": "FAILED"})
    assert [entry["type"] for entry, _ in journal.entries()] == ["start", "end"]
    journal.holder.release()
