"""Sends what MLflow has not got yet: the rest of all journals."""

import dataclasses
from collections import Counter
from contextlib import suppress

from filelock import Timeout

from genlab.tracking import store
from genlab.tracking.journal import Journal, now
from genlab.tracking.run import one_line
from genlab.tracking.sender import Sender

KEEP_DAYS = 30  # of journals that were sent but not finished: a training may still go on


@dataclasses.dataclass
class Summary:
    """What `sync` did."""

    entries: int = 0
    runs: Counter[str] = dataclasses.field(default_factory=Counter)
    waiting: Counter[str] = dataclasses.field(default_factory=Counter)
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Says whether nothing is left to send."""
        return not self.waiting

    def __str__(self) -> str:
        lines = [
            f"Sent {self.entries} entries of {count} runs to {address}."
            for address, count in self.runs.items()
        ]
        lines += [f"{count} runs wait for {address}." for address, count in self.waiting.items()]
        return "\n".join([*(lines or ["Nothing to send."]), *self.problems])


def sync() -> Summary:
    """Sends the rest of all journals, oldest first; a run whose process died without a word becomes KILLED.

    An address that fails is not tried again in this call. Journals that are finished and sent are removed.
    """
    summary = Summary()
    for journal in Journal.all():
        with suppress(FileNotFoundError):  # sent and removed by its own process
            _bury(journal)
            _send(journal, summary)
            _tidy(journal)
    return summary


def _bury(journal: Journal) -> None:
    if journal.status is not None:
        return
    try:
        with journal.holder.acquire(timeout=0):
            journal.mend()
            journal.append(
                {"type": "end", "status": "KILLED", "reason": "The process ended without a word."}
            )
    except Timeout:
        return  # it lives


def _send(journal: Journal, summary: Summary) -> None:
    sender = Sender(journal)
    address = store.address(sender.uri)
    if journal.is_sent():
        return
    if address in summary.waiting:
        summary.waiting[address] += 1
        return
    try:
        count = sender.send()
    except Timeout:
        return  # its own process is sending it
    except Exception as error:  # the tracker's: reported, and the next address is tried
        summary.waiting[address] += 1
        summary.problems.append(f"{address}: {one_line(error)}")
        return
    summary.entries += count
    summary.runs[address] += 1
    summary.problems += [f"MLflow refused: {line}" for line in sender.rejected]


def _tidy(journal: Journal) -> None:
    if journal.exists() and journal.status is not None and journal.is_sent():
        age_days = (now() - journal.start["time"]) / 86_400_000
        if age_days > KEEP_DAYS:
            journal.remove()
