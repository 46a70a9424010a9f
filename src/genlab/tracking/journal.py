"""One run's journal: its entries as JSON lines, and how far they were sent to MLflow.

A journal is a folder below `.genlab/tracking/`: `journal.jsonl` (append only), `sent.json`
(replaced atomically) and `files/` (copies of the files that entries name). The first entry says
which run it is.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from filelock import FileLock

from genlab.runtime import workspace
from genlab.runtime.files import naming, replacing

Entry = dict[str, Any]


def now() -> int:
    """Returns the time in milliseconds since 1970, MLflow's unit."""
    return time.time_ns() // 1_000_000


class Journal:
    """The folder of one run. A kill in the middle of any method leaves a usable journal."""

    def __init__(self, folder: Path) -> None:
        """Opens the journal in `folder`, which `create` made."""
        self.folder = folder
        self.holder = FileLock(folder / "holder.lock")  # held as long as the run's process lives
        self.sender = FileLock(folder / "sender.lock")  # held while entries are sent
        self._path = folder / "journal.jsonl"
        self._state_path = folder / "sent.json"

    @classmethod
    def create(cls, start: Entry) -> Self:
        """Returns a new journal, held, that begins with `start` and the journal's own id."""
        identity = f"{now():014d}-{uuid.uuid4().hex[:12]}"  # sorts by age
        folder = workspace.state("tracking", identity)
        folder.mkdir(parents=True)
        journal = cls(folder)
        # Before it is visible: `genlab sync` ends the runs of journals without a holder.
        journal.holder.acquire(timeout=0)
        journal.append({"type": "start", **start, "journal": identity})
        return journal

    @classmethod
    def all(cls) -> list[Self]:
        """Returns every journal of the workspace that has its first entry, oldest first.

        Another process may send and remove one at any moment: reading it then raises a
        FileNotFoundError.
        """
        journals = []
        for path in sorted(workspace.state("tracking").glob("*/journal.jsonl")):
            journal = cls(path.parent)
            with suppress(FileNotFoundError):
                if next(journal.entries(), None):
                    journals.append(journal)
        return journals

    @property
    def start(self) -> Entry:
        """The first entry."""
        return next(self.entries())[0]

    @property
    def status(self) -> str | None:
        """FINISHED, FAILED, KILLED or SCHEDULED; None while the run is open or after a kill."""
        types = ("start", "resume", "end")
        return [entry for entry, _ in self.entries() if entry["type"] in types][-1].get("status")

    def exists(self) -> bool:
        """Returns whether the journal is still on disk; another process may have removed it."""
        return self._path.is_file()

    def append(self, entry: Entry) -> None:
        """Adds one entry with the present time; on a full disk all of it or nothing."""
        line = (json.dumps({**entry, "time": now()}) + "\n").encode()
        with naming(self._path), self._path.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(end)
                raise

    def entries(self, offset: int = 0) -> Iterator[tuple[Entry, int]]:
        """Yields the complete entries from the byte `offset` on, each with the offset behind it."""
        with self._path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield json.loads(line), offset

    def repair(self) -> None:
        """Cuts off an entry that a killed process left half-written. Only for the holder."""
        os.truncate(self._path, max((end for _, end in self.entries()), default=0))

    def is_sent(self) -> bool:
        """Returns whether all entries were sent."""
        return self.state().get("offset", 0) >= self._path.stat().st_size

    def state(self) -> dict[str, Any]:
        """Returns the sending's state (`offset`, `address`, `run_id`, ...); empty before it."""
        return json.loads(self._state_path.read_text()) if self._state_path.is_file() else {}

    def write_state(self, state: dict[str, Any]) -> None:
        """Replaces the state atomically."""
        with replacing(self._state_path) as building:
            building.write_text(json.dumps(state))

    def new_folder(self) -> Path:
        """Returns a new empty folder inside the journal for one entry's files."""
        folder = self.folder / "files" / uuid.uuid4().hex[:12]
        folder.mkdir(parents=True)
        return folder

    def keep(self, path: Path) -> str:
        """Copies a file or folder into the journal; returns its path relative to the journal."""
        target = self.new_folder() / path.name
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)
        return str(target.relative_to(self.folder))

    def remove(self) -> None:
        """Deletes the journal, its entries first: a kill in between leaves no partial journal."""
        self._path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
