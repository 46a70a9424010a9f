"""An open run: every entry goes to the journal first, then to MLflow if it answers."""

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path

from filelock import Timeout

from genlab.runtime import stopping
from genlab.runtime.addresses import shown
from genlab.runtime.errors import InputError, one_line
from genlab.runtime.files import check_room
from genlab.tracking import packaging, store
from genlab.tracking.journal import Entry, Journal
from genlab.tracking.sending import Sender
from genlab.tracking.system_metrics import PREFIX, SystemMetrics

MIN_PAUSE_SECONDS = 15
METRICS_PAUSE_SECONDS = 5
"""Metrics wait this long for more of them: one request for all costs little more than for one."""
PAUSE_FACTOR = 100
"""After a failed attempt: at most one hundredth of the time goes into further ones."""
_log = logging.getLogger(__name__)


class Run:
    """An open run. No failure of MLflow leaves its methods."""

    def __init__(self, journal: Journal, system: SystemMetrics | None = None) -> None:
        """Continues `journal`, which the caller holds; samples `system` while it logs metrics."""
        self._journal = journal
        self._system = system
        self._sender = Sender(journal)
        self._retry_at = 0.0
        self._metrics_at = 0.0
        self._warned = False
        self._num_samples = 0
        self._steps: set[tuple[str, int]] = set()
        self._pictures: set[tuple[str, int]] = set()
        self._has_model = False
        self.status_at_end = "FINISHED"
        """SCHEDULED if it goes on later."""
        for entry, _ in journal.entries():
            self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        match entry["type"]:
            case "metrics":
                self._steps |= {(key, entry["step"]) for key in entry["metrics"]}
                self._num_samples += any(key.startswith(PREFIX) for key in entry["metrics"])
            case "image":
                self._pictures.add((entry["key"], entry["step"]))
            case "model":
                self._has_model = True

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None if the store does not have it yet."""
        return self._sender.state.get("run_id")

    @property
    def url(self) -> str | None:
        """The run's page on the tracking server; None for a local store and before it is sent."""
        state = self._sender.state
        if "run_id" not in state:
            return None
        return store.run_page(state["address"], state["experiment_id"], state["run_id"]) or None

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs values at a step, except those logged before: a resumed training repeats steps.

        Raises:
            InputError: A name has characters that MLflow does not take.
        """
        for key in metrics:
            _check_name(key, r"[\w.\-: /]+")
        new = {key: float(metrics[key]) for key in metrics if (key, step) not in self._steps}
        if new:
            self._append({"type": "metrics", "step": int(step), "metrics": new})
        sample = self._system.sample() if self._system else {}
        if sample:
            self._append({"type": "metrics", "step": self._num_samples, "metrics": sample})

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Logs an image at a step: MLflow shows one card per key with a slider over the steps.

        Raises:
            InputError: The key has characters that MLflow does not take.
        """
        _check_name(key, r"[\w.\- /]+")
        if (key, step) not in self._pictures:
            file = self._journal.keep(Path(path))
            self._append({"type": "image", "key": key, "step": int(step), "file": file})

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Logs a file, or a folder's contents, by default into a folder of the same name."""
        path = Path(path)
        folder = path.name if folder is None and path.is_dir() else folder
        self._append({"type": "artifact", "folder": folder, "file": self._journal.keep(path)})

    def log_model(self, folder: Path) -> None:
        """Logs the trained model in `folder` as a pyfunc. A run has one model; a second is ignored.

        Raises:
            InputError: `folder` holds no trained model.
        """
        if self._has_model:
            return
        target = self._journal.new_folder() / "model"
        # A full disk must end the training, but MLflow hides the error.
        check_room(target.parent, packaging.sizes(Path(folder)))
        store.configure()
        try:
            packaging.save(Path(folder), target)
        except InputError:
            raise
        except Exception as error:  # MLflow's: the trained model itself is safe on disk
            _log.warning("MLflow could not pack the model %s: %s", folder, one_line(error))
            return
        step = max((step for _, step in self._steps), default=0)
        file = str(target.relative_to(self._journal.folder))
        self._append({"type": "model", "step": step, "file": file})

    def describe(self, text: str) -> None:
        """Sets the run's description, Markdown, unless somebody else has written one.

        `{artifacts}` stands for the address of the run's artifacts: `![]({artifacts}samples.png)`.
        """
        self._append({"type": "description", "text": text})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags of the run."""
        self._append({"type": "tags", "tags": {key: str(value) for key, value in tags.items()}})

    def _append(self, entry: Entry) -> None:
        self._journal.append(entry)
        self._remember(entry)
        if entry["type"] != "metrics" or time.monotonic() >= self._metrics_at:
            self.flush()

    def end(self, status: str, reason: str | None = None) -> None:
        """Ends the run: FINISHED, FAILED, KILLED, or SCHEDULED, which is to go on."""
        self._journal.append({"type": "end", "status": status, "reason": reason})
        self._retry_at = 0.0
        if not self.flush():
            _log.warning("This run is not in MLflow yet. When the server is back: genlab sync")

    def flush(self) -> bool:
        """Sends what is unsent; returns whether all is sent. A failure warns once and pauses."""
        started = time.monotonic()
        if started < self._retry_at:
            return False
        try:
            with stopping.deferred():
                self._sender.send()
        except Timeout:
            return False  # `genlab sync` is sending it
        except Exception as error:  # no failure of the tracker may stop a training
            now = time.monotonic()
            self._retry_at = now + max(MIN_PAUSE_SECONDS, PAUSE_FACTOR * (now - started))
            self._warn_once(error)
            return False
        for line in self._sender.rejected:
            _log.warning("MLflow refused: %s", line)
        self._sender.rejected.clear()
        self._metrics_at = time.monotonic() + METRICS_PAUSE_SECONDS
        return True

    def _warn_once(self, error: Exception) -> None:
        if not self._warned:
            reason = error.received if isinstance(error, InputError) else one_line(error, limit=80)
            _log.warning(
                "MLflow at %s does not answer (%s). The run goes on; its entries are kept.",
                shown(self._sender.uri),
                reason,
            )
        self._warned = True


def _check_name(name: str, pattern: str) -> None:
    if not re.fullmatch(pattern, name, re.ASCII):
        raise InputError(
            "A metric's name must consist of letters, digits, '_', '-', '.', '/' and spaces",
            f"{name!r}",
            "See the model's or the metric's file",
        )
