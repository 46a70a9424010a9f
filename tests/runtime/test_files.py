"""Files, folders and entries of a journal are whole."""

import re
import resource
from pathlib import Path

import pytest
from fixtures_models import contents

from genlab.runtime import files
from genlab.tracking.journal import Journal


def test_what_replaces_another_is_whole(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    for text in ("first", "second"):
        with files.replacing(folder) as building:
            building.mkdir()
            (building / text).touch()
        with files.replacing(file) as building:
            building.write_text(text)
    for out in (folder, file):
        with pytest.raises(KeyboardInterrupt), files.replacing(out) as building:  # noqa: PT012
            building.write_text("third")
            raise KeyboardInterrupt
    assert contents(tmp_path) == {"file": b"second", "folder/second": b""}


def test_file_folder_and_link_replace_each_other(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")
    with files.replacing(tmp_path / "out") as building:
        building.mkdir()
    with files.replacing(tmp_path / "out") as building:
        building.write_text("new")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    with files.replacing(tmp_path / "link") as building:
        building.mkdir()
    assert contents(tmp_path) == {"out": b"new"}
    assert [path.is_symlink() for path in sorted(tmp_path.iterdir())] == [False, False, False]


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
