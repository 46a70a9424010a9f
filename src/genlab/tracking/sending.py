"""Sends journals to MLflow, entry by entry in order, and remembers how far it came."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

from filelock import Timeout

from genlab.runtime.addresses import shown
from genlab.runtime.errors import InputError, one_line
from genlab.tracking import looking, matching, store
from genlab.tracking.journal import Entry, Journal, now
from genlab.tracking.writer import Writer

KEEP_DAYS = 30
"""Journals that are sent but not finished stay this long: their trainings may be resumed."""


class Sender:
    """Sends one journal. It raises MLflow's errors; the next `send` begins where it stopped."""

    def __init__(self, journal: Journal) -> None:
        """Prepares the sending of `journal`: sends and imports nothing yet."""
        self.journal = journal
        self.rejected: list[str] = []  # one line for each entry that MLflow refused for good
        self._start = journal.start
        self._is_scoring = "protocol" in self._start
        self._writer: Writer | None = None
        self._last_state: dict[str, Any] = {}

    @property
    def uri(self) -> str:
        """The journal's destination: `MLFLOW_TRACKING_URI` now, else that of the run's start."""
        return store.explicit_uri() or store.resolved(self._start["uri"])

    @property
    def state(self) -> dict[str, Any]:
        """What MLflow has of the run: `address`, `experiment_id`, `run_id`; empty before it."""
        return self._last_state or self.journal.state()

    def send(self) -> int:
        """Sends the unsent entries; returns their number. A finished journal is then removed.

        Raises:
            Exception: Whatever MLflow raises when the store does not answer or fails.
            filelock.Timeout: Another process is sending this journal.
        """
        if not self.journal.exists():
            return 0
        with self.journal.sender.acquire(timeout=0):
            if not self.journal.exists() or self.journal.is_sent():
                return 0
            try:
                return self._send_rest()
            except BaseException:
                self._writer = None  # next time, look again for the store and the run
                raise

    def _send_rest(self) -> int:
        writer = self._present_writer()
        if self._is_scoring and "run_id" not in writer.state:
            self._send_training()
        count, last = 0, self._start
        for entries, offset in self._batches(writer.state.get("offset", 0)):
            self._write(writer, entries)
            writer.state["offset"] = offset
            self.journal.write_state(writer.state)
            count, last = count + len(entries), entries[-1]
        if last["type"] == "end" and (last["status"] == "FINISHED" or self._is_scoring):
            self.journal.remove()
        return count

    def _present_writer(self) -> Writer:
        """Returns the last writer, or a new one if the address or the state on disk is another.

        Another process, `genlab sync`, may have sent entries in between.
        """
        address, state = store.portable(self.uri), self.journal.state()
        if self._writer is None or not self._writer.continues(state, address):
            client = store.connect(self.uri)
            has_moved = state.get("address", address) != address
            run_id = state.get("run_id")
            if has_moved or (run_id and not matching.is_active(client, run_id)):
                state = {}  # another store, or the run is gone: send everything again
            state["address"] = address
            self._writer = Writer(client, self.uri, self.journal, state)
            self._last_state = state
        return self._writer

    def _send_training(self) -> None:
        """Sends the finished training of these scores first, so that they find its run.

        A training that waits for another store does not hold up its scores.
        """
        for journal in Journal.all():
            with suppress(FileNotFoundError):  # its own process sent and removed it
                start, sender = journal.start, Sender(journal)
                is_same = start["train_key"] == self._start["train_key"] and sender.uri == self.uri
                if is_same and "protocol" not in start and journal.status == "FINISHED":
                    sender.send()

    def _batches(self, offset: int) -> Iterator[tuple[list[Entry], int]]:
        """Yields entries with the offset behind them: metrics in a row together, others alone."""
        batch: list[Entry] = []
        end = offset
        for entry, behind in self.journal.entries(offset):
            if batch and not (entry["type"] == batch[-1]["type"] == "metrics"):
                yield batch, end
                batch = []
            batch.append(entry)
            end = behind
        if batch:
            yield batch, end

    def _write(self, writer: Writer, entries: list[Entry]) -> None:
        from mlflow.exceptions import MlflowException

        kind = entries[0]["type"]
        try:
            writer.write(entries)
        except MlflowException as error:
            is_refused = error.error_code == "INVALID_PARAMETER_VALUE"
            if not is_refused or kind in ("start", "resume", "end"):
                raise
            if not matching.is_active(writer.client, writer.state["run_id"]):
                raise
            # Sent again, it would hold up all that follows.
            self.rejected.append(f"{kind}: {one_line(error)}")


@dataclasses.dataclass
class SyncSummary:
    """What `sync` did: entries and runs sent by address, and the runs that still wait."""

    entries: int = 0
    runs: Counter[str] = dataclasses.field(default_factory=Counter)
    waiting: Counter[str] = dataclasses.field(default_factory=Counter)
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to send."""
        return not self.waiting

    def __str__(self) -> str:
        lines = [
            f"Sent {self.entries} entries of {count} runs to {address}."
            for address, count in self.runs.items()
        ]
        lines += [f"{count} runs wait for {address}." for address, count in self.waiting.items()]
        return "\n".join([*(lines or ["Nothing to send."]), *self.problems])


def sync(to: str | None = None) -> SyncSummary:
    """Sends the rest of all journals, oldest first; a run whose process was killed is KILLED.

    An address that fails is not tried again in this call. Journals that are finished and sent are
    removed.

    Args:
        to: Where to; by default `MLFLOW_TRACKING_URI`, or else where each run was to go.

    Raises:
        InputError: No store can have the address.
    """
    summary = SyncSummary()
    with store.as_default(to) if to else nullcontext():
        if uri := store.explicit_uri():
            looking.check_form(uri)
        for journal in Journal.all():
            with suppress(FileNotFoundError):  # its own process sent and removed it
                _end_if_killed(journal)
                _send(journal, summary)
                _remove_if_old(journal)
    return summary


def _end_if_killed(journal: Journal) -> None:
    if journal.status is None:
        with suppress(Timeout), journal.holder.acquire(timeout=0):  # timeout: its process lives
            journal.repair()
            reason = "The process ended without reporting a status."
            journal.append({"type": "end", "status": "KILLED", "reason": reason})


def _send(journal: Journal, summary: SyncSummary) -> None:
    if journal.is_sent():
        return
    sender = Sender(journal)
    address = shown(sender.uri)
    if address in summary.waiting:
        summary.waiting[address] += 1
        return
    try:
        count = sender.send()
    except Timeout:
        return  # its own process is sending it
    except Exception as error:  # the tracker's: reported, and the next address is tried
        summary.waiting[address] += 1
        told = str(error) if isinstance(error, InputError) else f"{address}: {one_line(error)}"
        summary.problems.append(told)
        return
    summary.entries += count
    summary.runs[address] += 1
    summary.problems += [f"MLflow refused: {line}" for line in sender.rejected]


def _remove_if_old(journal: Journal) -> None:
    if journal.exists() and journal.status is not None and journal.is_sent():
        age_days = (now() - journal.start["time"]) / 86_400_000
        if age_days > KEEP_DAYS:
            journal.remove()
