"""One run's journal: what is to be sent to MLflow, as JSON lines, and how far it was sent.

A journal is a folder below `.genlab/tracking/`: `journal.jsonl` (append only), `sent.json` (replaced atomically) and
`files/` (copies of what its entries refer to). Its first entry says which run it is.
"""

import itertools
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
from genlab.runtime.files import naming

Entry = dict[str, Any]


def now() -> int:
    """Returns the time in milliseconds since 1970, as MLflow wants it."""
    return time.time_ns() // 1_000_000


class Journal:
    """The folder of one run; every method leaves it in a state that a killed process may leave behind."""

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
        journal.holder.acquire(
            timeout=0
        )  # before it can be seen: `genlab sync` takes one without a holder for dead
        journal.append({"type": "start", **start, "journal": identity})
        return journal

    @classmethod
    def all(cls) -> list[Self]:
        """Returns every journal of the workspace that has its first entry, oldest first.

        Another process may send and remove one at any moment: reading it raises a FileNotFoundError then.
        """
        found = []
        for path in sorted(workspace.state("tracking").glob("*/journal.jsonl")):
            with suppress(FileNotFoundError):
                journal = cls(path.parent)
                found += [journal for _ in itertools.islice(journal.entries(), 1)]
        return found

    @property
    def start(self) -> Entry:
        """The first entry."""
        return next(self.entries())[0]

    @property
    def status(self) -> str | None:
        """FINISHED, FAILED or KILLED; None while the run goes on (or was killed without a word)."""
        last = [
            entry for entry, _ in self.entries() if entry["type"] in ("start", "resume", "end")
        ][-1]
        return last.get("status")

    def exists(self) -> bool:
        """Says whether the journal is still on disk: another process may have sent and removed it."""
        return self._path.is_file()

    def append(self, entry: Entry) -> None:
        """Adds one entry with the time of now; all of it or, on a full disk, nothing."""
        line = (json.dumps({**entry, "time": now()}) + "\n").encode()
        with naming(self._path), self._path.open("ab", buffering=0) as file:
            whole = file.tell()
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(whole)
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

    def mend(self) -> None:
        """Cuts off an entry that a killed process left half-written. Only for the holder."""
        whole = max((end for _, end in self.entries()), default=0)
        os.truncate(self._path, whole)

    def is_sent(self) -> bool:
        """Says whether all entries were sent."""
        return self.state().get("offset", 0) >= self._path.stat().st_size

    def state(self) -> dict[str, Any]:
        """Returns what is known of the sending: `offset`, `address`, `run_id`, ... Empty when nothing was sent."""
        return json.loads(self._state_path.read_text()) if self._state_path.is_file() else {}

    def write_state(self, state: dict[str, Any]) -> None:
        """Replaces the state atomically."""
        temporary = self._state_path.with_suffix(".tmp")
        temporary.write_text(json.dumps(state))
        temporary.replace(self._state_path)

    def new_folder(self) -> Path:
        """Returns a new empty folder inside of the journal for one entry's files."""
        folder = self.folder / "files" / uuid.uuid4().hex[:12]
        folder.mkdir(parents=True)
        return folder

    def keep(self, path: Path) -> str:
        """Copies a file or folder into the journal; returns its place relative to the journal."""
        target = self.new_folder() / path.name
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)
        return str(target.relative_to(self.folder))

    def remove(self) -> None:
        """Deletes the journal with its copies; its entries first, so that after a kill no half of it is found."""
        self._path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
