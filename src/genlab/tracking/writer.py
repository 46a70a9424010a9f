"""Writes journal entries to MLflow; each may be written again after a crash without leaving anything twice."""

import hashlib
import json
import re
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.tracking import find, provenance, store
from genlab.tracking.journal import Entry, Journal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

REASON = "genlab.reason"
NOTE, OUR_NOTE = "mlflow.note.content", "genlab.description"
MAX_PARAMS, MAX_DIGEST = (
    100,
    36,
)  # MLflow's limits: parameters in one request, characters of a data set's digest


class Writer:
    """What an entry of each type means to MLflow: one method per type."""

    def __init__(
        self, client: "MlflowClient", uri: str, journal: Journal, state: dict[str, Any]
    ) -> None:
        """Writes to the store of `client`; what must be known later goes to `state`, which the sender keeps."""
        self.client = client
        self._uri = uri
        self._journal = journal
        self._state = state
        self._images: set[str] | None = None

    def write(self, entries: Sequence[Entry]) -> None:
        """Writes one entry, or several of the type `metrics` in one request."""
        writers: dict[str, Callable[[Entry], None]] = {
            "start": self._start,
            "resume": self._resume,
            "tags": self._tags,
            "description": self._description,
            "image": self._image,
            "artifact": self._artifact,
            "model": self._model,
            "end": self._end,
        }
        if entries[0]["type"] == "metrics":
            self._metrics(entries)
        else:
            writers[entries[0]["type"]](entries[0])

    @property
    def _run_id(self) -> str:
        return self._state["run_id"]

    def _start(self, start: Entry) -> None:
        self._state["experiment_id"] = store.experiment_id(
            self.client, self._uri, start["experiment"]
        )
        run = self._find(start) or self.client.create_run(
            self._state["experiment_id"],
            start_time=start["time"],
            tags={**start["tags"], "genlab.journal": start["journal"]},
            run_name=start["name"],
        )
        self._state["run_id"] = run.info.run_id
        self._params(start["params"])
        self._dataset(start.get("dataset"))

    def _find(self, start: Entry) -> "MlflowRun | None":
        client, experiment_id = self.client, self._state["experiment_id"]
        run = find.by_journal(client, experiment_id, start["journal"])
        if run is None and "protocol" in start:
            run = find.to_score(client, experiment_id, start["train_key"], start["protocol"])
            if run:  # somebody else's run: its status stays as it is
                self._state |= {"adopted": True, "known_values": run.data.metrics}
                client.set_tag(run.info.run_id, "genlab.protocol", start["protocol"])
        elif run is None:
            run = find.unfinished_training(client, experiment_id, start["training_id"])
            if run:
                self._state["known_steps"] = find.last_steps(client, run)
                client.set_tag(run.info.run_id, "genlab.journal", start["journal"])
                self._reopen(run)
        return run

    def _params(self, params: dict[str, str]) -> None:
        from mlflow.entities import Param

        entries = [Param(key, value) for key, value in provenance.shorten(params).items()]
        for first in range(0, len(entries), MAX_PARAMS):
            self.client.log_batch(
                self._run_id, params=entries[first : first + MAX_PARAMS], synchronous=True
            )

    def _dataset(self, dataset: dict[str, Any] | None) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if dataset is None:
            return
        shape = [-1, *dataset["image_shape"]]
        tensor = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": shape}}
        entity = Dataset(
            name=dataset["name"],
            digest=dataset["digest"][:MAX_DIGEST],
            source_type="local",
            source=json.dumps({"uri": dataset["source"]}),
            schema=json.dumps(
                {"mlflow_tensorspec": {"features": json.dumps([tensor]), "targets": None}}
            ),
            profile=json.dumps({"num_images": dataset["num_images"], "sha256": dataset["digest"]}),
        )
        self.client.log_inputs(
            self._run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])]
        )

    def _resume(self, entry: Entry) -> None:
        self._reopen(self.client.get_run(self._run_id))

    def _reopen(self, run: "MlflowRun") -> None:
        self.client.update_run(run.info.run_id, status="RUNNING")
        if REASON in run.data.tags:
            self.client.delete_tag(run.info.run_id, REASON)

    def _tags(self, entry: Entry) -> None:
        for key, value in entry["tags"].items():
            self.client.set_tag(self._run_id, key, value, synchronous=True)

    def _description(self, entry: Entry) -> None:
        """Writes a description, but over none that somebody else has written: its sum is kept to know our own."""
        tags = self.client.get_run(self._run_id).data.tags
        present = tags.get(NOTE, "")
        if present and tags.get(OUR_NOTE) != _sum(present):
            return
        artifacts = f"get-artifact?run_uuid={self._run_id}&path="  # what the UI's own pictures are fetched by
        text = entry["text"].replace("{artifacts}", artifacts)
        self.client.set_tag(self._run_id, OUR_NOTE, _sum(text), synchronous=True)
        self.client.set_tag(self._run_id, NOTE, text, synchronous=True)

    def _metrics(self, entries: Sequence[Entry]) -> None:
        from mlflow.entities import Metric

        known_steps, known_values = (
            self._state.get("known_steps", {}),
            self._state.get("known_values", {}),
        )
        metrics = [
            Metric(key, value, entry["time"], entry["step"])
            for entry in entries
            for key, value in find.unlike(entry["metrics"], known_values).items()
            if entry["step"] > known_steps.get(key, -1)
        ]
        if metrics:  # a point with the same key, time, step and value is stored once
            self.client.log_batch(self._run_id, metrics=metrics, synchronous=True)

    def _image(self, entry: Entry) -> None:
        from mlflow.tracking.multimedia import compress_image_size
        from PIL import Image

        key, step, path = (
            entry["key"].replace("/", "~"),
            entry["step"],
            self._journal.folder / entry["file"],
        )
        if not self._has_image(
            key, step
        ):  # as MLflow's log_image, whose names would be others when it is repeated
            identity = uuid.uuid5(
                uuid.NAMESPACE_OID, f"{self._journal.start['journal']} {key} {step}"
            )
            name = f"{key}+step+{step}+timestamp+{entry['time']}+{identity}"
            with tempfile.TemporaryDirectory() as folder, Image.open(path) as image:
                original, small = (
                    Path(folder, f"{name}.png"),
                    Path(folder, f"{name}+compressed.webp"),
                )
                image.save(original)
                compress_image_size(image).save(small)
                for each in (original, small):
                    self.client.log_artifact(self._run_id, str(each), "images")
        self.client.set_tag(self._run_id, "mlflow.loggedImages", True, synchronous=True)

    def _has_image(self, key: str, step: int) -> bool:
        """Says whether the run has this picture (`~` for `/` in its key); of its files the small one comes last."""
        if self._images is None:
            paths = [file.path for file in self.client.list_artifacts(self._run_id, "images")]
            matches = [
                re.search(r"([^/]+\+step\+\d+)\+.*\+compressed\.webp$", path) for path in paths
            ]
            self._images = {match[1] for match in matches if match}
        return f"{key}+step+{step}" in self._images

    def _artifact(self, entry: Entry) -> None:
        path = self._journal.folder / entry["file"]
        log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        log(self._run_id, str(path), entry["folder"])

    def _model(self, entry: Entry) -> None:
        from mlflow.entities import LoggedModelOutput

        outputs = self.client.get_run(self._run_id).outputs
        if outputs and outputs.model_outputs:
            return
        start = self._journal.start
        condition = f"tags.`genlab.journal` = '{start['journal']}'"
        found = self.client.search_logged_models([self._state["experiment_id"]], condition)
        model = found[0] if found else self._create_model(start)
        folder = self._journal.folder / entry["file"]
        _sign(folder, model.model_id, self._run_id, model.artifact_location)
        self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(
            self._run_id, [LoggedModelOutput(model.model_id, step=entry["step"])]
        )

    def _create_model(self, start: Entry) -> Any:
        keys = ("genlab.train_key", "genlab.model", "genlab.kind")
        return self.client.create_logged_model(
            self._state["experiment_id"],
            name="model",
            source_run_id=self._run_id,
            tags={"genlab.journal": start["journal"], **{key: start["tags"][key] for key in keys}},
            model_type=start["tags"]["genlab.kind"],
        )

    def _end(self, entry: Entry) -> None:
        status, reason = entry["status"], entry.get("reason")
        if self._state.get("adopted"):
            self.client.set_tag(
                self._run_id, "genlab.scoring", f"{status}: {reason}" if reason else status
            )
            return
        if reason:
            self.client.set_tag(self._run_id, REASON, reason)
        self.client.set_terminated(self._run_id, status, end_time=entry["time"])


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sign(folder: Path, model_id: str, run_id: str, location: str) -> None:
    """Writes into a saved model whose it is."""
    from mlflow.models import Model

    model = Model.load(str(folder))
    model.model_id = model.model_uuid = model_id
    model.run_id, model.artifact_path = run_id, location
    model.save(str(folder / "MLmodel"))
