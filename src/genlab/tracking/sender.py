"""Sends a journal's entries to MLflow, in order, and remembers how far it came."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from genlab.tracking import find, store
from genlab.tracking.journal import Entry, Journal
from genlab.tracking.writer import Writer

MAX_METRICS = 1000  # in one request: MLflow's limit


class Sender:
    """Sends one journal. A failure raises what MLflow raised; the next `send` begins where it stopped."""

    def __init__(self, journal: Journal) -> None:
        """Prepares the sending of `journal`; nothing is sent and nothing heavy imported."""
        self.journal = journal
        self.rejected: list[str] = []  # what MLflow refused for good, one line each
        self._start = journal.start
        self._writer: Writer | None = None
        self._state: dict[str, Any] = {}

    @property
    def uri(self) -> str:
        """Where the journal goes: what `MLFLOW_TRACKING_URI` says now, else where it was meant to go at its start."""
        return store.explicit_uri() or self._start["uri"]

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run, where the store has got it."""
        return (self._state or self.journal.state()).get("run_id")

    @property
    def url(self) -> str | None:
        """The run's page, where a server has got the run."""
        state = self._state or self.journal.state()
        if "run_id" not in state or not state["address"].startswith("http"):
            return None
        return f"{state['address'].rstrip('/')}/#/experiments/{state['experiment_id']}/runs/{state['run_id']}"

    def send(self) -> int:
        """Sends what is unsent; returns the number of entries that were sent. A finished journal is then removed.

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
                self._writer = None  # look again whether the store and the run are there
                raise

    def _send_rest(self) -> int:
        self._state.clear()
        self._state.update(self.journal.state())
        moved = self._state.get("address") != store.address(self.uri)
        writer = self._connect() if self._writer is None or moved else self._writer
        if "protocol" in self._start and "run_id" not in self._state:
            self._send_training()
        count, entries = 0, [self._start]
        for entries, offset in self._batches():
            self._write(writer, entries)
            self._state["offset"] = offset
            self.journal.write_state(self._state)
            count += len(entries)
        if entries[-1]["type"] == "end" and (
            entries[-1]["status"] == "FINISHED" or "protocol" in self._start
        ):
            self.journal.remove()
        return count

    def _send_training(self) -> None:
        """Sends the finished training that these scores belong to, so that they find its run."""
        for journal in Journal.all():
            with suppress(FileNotFoundError):  # sent and removed by its own process
                start = journal.start
                is_training = (
                    start["train_key"] == self._start["train_key"] and "protocol" not in start
                )
                if is_training and journal.status == "FINISHED":
                    Sender(journal).send()

    def _connect(self) -> Writer:
        address, client = store.address(self.uri), store.connect(self.uri)
        moved = self._state.get("address", address) != address
        if moved or ("run_id" in self._state and not find.is_active(client, self._state["run_id"])):
            self._state.clear()  # another store, or the run is gone: all of it is sent again
        self._state["address"] = address
        self._writer = Writer(client, self.uri, self.journal, self._state)
        return self._writer

    def _batches(self) -> Iterator[tuple[list[Entry], int]]:
        """Yields entries with the offset behind them: one, or as many of metrics in a row as one request takes."""
        batch: list[Entry] = []
        size = end = 0
        for entry, offset in self.journal.entries(self._state.get("offset", 0)):
            weight = len(entry["metrics"]) if entry["type"] == "metrics" else MAX_METRICS
            if batch and size + weight > MAX_METRICS:
                yield batch, end
                batch, size = [], 0
            batch, size, end = [*batch, entry], size + weight, offset
        if batch:
            yield batch, end

    def _write(self, writer: Writer, entries: list[Entry]) -> None:
        from mlflow.exceptions import MlflowException

        kind = entries[0]["type"]
        try:
            writer.write(entries)
        except MlflowException as error:
            refused = error.error_code == "INVALID_PARAMETER_VALUE" and kind not in (
                "start",
                "resume",
                "end",
            )
            if not refused or not find.is_active(writer.client, self._state["run_id"]):
                raise
            self.rejected.append(
                f"{kind}: {str(error).splitlines()[0]}"
            )  # sent again, it would stop all the rest
