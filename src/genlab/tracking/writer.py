"""Writes journal entries to MLflow. Writing one again after a crash leaves nothing twice."""

import hashlib
import json
import re
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.tracking import matching, store
from genlab.tracking.journal import Entry, Journal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities import Run as MlflowRun

REASON = "genlab.reason"
NOTE, OUR_NOTE = "mlflow.note.content", "genlab.description"
MAX_DIGEST = 36
"""Characters of a data set's digest: MLflow's limit."""


class Writer:
    """What an entry of each type means to MLflow: one method per type.

    Attributes:
        client: Of the store that is written to.
        state: What later entries need to know; the sender keeps it on disk.
    """

    def __init__(self, client: "MlflowClient", uri: str, journal: Journal, state: dict[str, Any]):
        """Writes the entries of `journal` to the store at `uri`."""
        self.client = client
        self.state = state
        self._uri = uri
        self._journal = journal
        self._images: set[str] | None = None
        self._writers: dict[str, Callable[[Entry], None]] = {
            "start": self._start,
            "resume": self._resume,
            "tags": self._tags,
            "description": self._description,
            "image": self._image,
            "artifact": self._artifact,
            "model": self._model,
            "end": self._end,
        }

    def continues(self, state: dict[str, Any], address: str) -> bool:
        """Returns whether the state on disk and the address are still this writer's."""
        keys = ("address", "run_id", "offset")
        is_same = all(self.state.get(key) == state.get(key) for key in keys)
        return is_same and self.state["address"] == address

    def write(self, entries: Sequence[Entry]) -> None:
        """Writes one entry, or several of the type `metrics` in one request."""
        if entries[0]["type"] == "metrics":
            self._metrics(entries)
        else:
            self._writers[entries[0]["type"]](entries[0])

    @property
    def _run_id(self) -> str:
        return self.state["run_id"]

    def _start(self, start: Entry) -> None:
        experiment_id = store.experiment_id(self.client, self._uri, start["experiment"])
        self.state["experiment_id"] = experiment_id
        run = self._earlier_run(start) or self.client.create_run(
            experiment_id,
            start_time=start["time"],
            tags={**start["tags"], "genlab.journal": start["journal"]},
            run_name=start["name"],
        )
        self.state["run_id"] = run.info.run_id
        self._params(start["params"])
        if "dataset" in start:
            self._dataset(start["dataset"])

    def _earlier_run(self, start: Entry) -> "MlflowRun | None":
        client, experiment_id = self.client, self.state["experiment_id"]
        if run := matching.by_journal(client, experiment_id, start["journal"]):
            return run
        if "protocol" in start:
            key, protocol = start["train_key"], start["protocol"]
            if run := matching.to_score(client, experiment_id, key, protocol):
                # Another journal's run: its status stays as it is.
                self.state |= {"adopted": True, "known_values": run.data.metrics}
                client.set_tag(run.info.run_id, "genlab.protocol", protocol)
        elif run := matching.unfinished_training(client, experiment_id, start["training_id"]):
            self.state["known_steps"] = matching.last_steps(client, run)
            client.set_tag(run.info.run_id, "genlab.journal", start["journal"])
            self._reopen(run)
        return run

    def _params(self, params: dict[str, str]) -> None:
        from mlflow.entities import Param

        entries = [Param(key, value) for key, value in params.items()]
        self.client.log_batch(self._run_id, params=entries, synchronous=True)

    def _dataset(self, dataset: dict[str, Any]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        shape = [-1, *dataset["image_shape"]]
        tensor = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": shape}}
        spec = {"features": json.dumps([tensor]), "targets": None}
        entity = Dataset(
            name=dataset["name"],
            digest=dataset["digest"][:MAX_DIGEST],
            source_type="local",
            source=json.dumps({"uri": dataset["source"]}),
            schema=json.dumps({"mlflow_tensorspec": spec}),
            profile=json.dumps({"num_images": dataset["num_images"], "sha256": dataset["digest"]}),
        )
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(self._run_id, [DatasetInput(entity, [context])])

    def _resume(self, entry: Entry) -> None:
        self._reopen(self.client.get_run(self._run_id))

    def _reopen(self, run: "MlflowRun") -> None:
        self.client.update_run(run.info.run_id, status="RUNNING")
        if REASON in run.data.tags:
            self.client.delete_tag(run.info.run_id, REASON)

    def _tags(self, entry: Entry) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(key, value) for key, value in entry["tags"].items()]
        self.client.log_batch(self._run_id, tags=tags, synchronous=True)

    def _description(self, entry: Entry) -> None:
        """Writes a description unless somebody else wrote one: our own is known by its digest."""
        tags = self.client.get_run(self._run_id).data.tags
        present = tags.get(NOTE, "")
        if present and tags.get(OUR_NOTE) != _digest(present):
            return
        artifacts = f"get-artifact?run_uuid={self._run_id}&path="  # as the UI's own images
        text = entry["text"].replace("{artifacts}", artifacts)
        self.client.set_tag(self._run_id, OUR_NOTE, _digest(text), synchronous=True)
        self.client.set_tag(self._run_id, NOTE, text, synchronous=True)

    def _metrics(self, entries: Sequence[Entry]) -> None:
        from mlflow.entities import Metric

        known_steps = self.state.get("known_steps", {})
        known_values = self.state.get("known_values", {})
        metrics = [
            Metric(key, value, entry["time"], entry["step"])
            for entry in entries
            for key, value in matching.new_values(entry["metrics"], known_values).items()
            if entry["step"] > known_steps.get(key, -1)
        ]
        if metrics:  # a point with the same key, time, step and value is stored once
            self.client.log_batch(self._run_id, metrics=metrics, synchronous=True)

    def _image(self, entry: Entry) -> None:
        """Logs an image as `MlflowClient.log_image` does, but repeatedly under the same names."""
        name = f"{entry['key'].replace('/', '~')}+step+{entry['step']}"
        if name not in self._logged_images():
            seed = f"{self._journal.start['journal']} {name}"
            identity = uuid.uuid5(uuid.NAMESPACE_OID, seed)
            stem = f"{name}+timestamp+{entry['time']}+{identity}"
            self._log_image(self._journal.folder / entry["file"], stem)
        self.client.set_tag(self._run_id, "mlflow.loggedImages", True, synchronous=True)

    def _log_image(self, path: Path, stem: str) -> None:
        from mlflow.tracking.multimedia import compress_image_size
        from PIL import Image

        with tempfile.TemporaryDirectory() as folder, Image.open(path) as image:
            original, small = Path(folder, f"{stem}.png"), Path(folder, f"{stem}+compressed.webp")
            image.save(original)
            compress_image_size(image).save(small)
            for file in (original, small):
                self.client.log_artifact(self._run_id, str(file), "images")

    def _logged_images(self) -> set[str]:
        """Returns the run's images, as `key+step+1`; of the two files the small one comes last."""
        if self._images is None:
            paths = [file.path for file in self.client.list_artifacts(self._run_id, "images")]
            pattern = re.compile(r"([^/]+\+step\+\d+)\+.*\+compressed\.webp$")
            self._images = {match[1] for match in map(pattern.search, paths) if match}
        return self._images

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
        models = self.client.search_logged_models([self.state["experiment_id"]], condition)
        model = models[0] if models else self._create_model(start)
        folder = self._journal.folder / entry["file"]
        _sign(folder, model, self._run_id)
        self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.finalize_logged_model(model.model_id, "READY")
        output = LoggedModelOutput(model.model_id, step=entry["step"])
        self.client.log_outputs(self._run_id, [output])

    def _create_model(self, start: Entry) -> "LoggedModel":
        keys = ("genlab.train_key", "genlab.model", "genlab.kind")
        return self.client.create_logged_model(
            self.state["experiment_id"],
            name="model",
            source_run_id=self._run_id,
            tags={"genlab.journal": start["journal"], **{key: start["tags"][key] for key in keys}},
            model_type=start["tags"]["genlab.kind"],
        )

    def _end(self, entry: Entry) -> None:
        status, reason = entry["status"], entry.get("reason")
        if self.state.get("adopted"):
            outcome = f"{status}: {reason}" if reason else status
            self.client.set_tag(self._run_id, "genlab.scoring", outcome)
            return
        if reason:
            self.client.set_tag(self._run_id, REASON, reason)
        self.client.set_terminated(self._run_id, status, end_time=entry["time"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sign(folder: Path, logged: "LoggedModel", run_id: str) -> None:
    """Writes into a saved model which run and which logged model it belongs to."""
    from mlflow.models import Model
    from mlflow.utils.yaml_utils import read_yaml

    model = Model.from_dict(read_yaml(str(folder), "MLmodel"))  # `load` unquotes a path
    model.model_id = model.model_uuid = logged.model_id
    model.run_id, model.artifact_path = run_id, logged.artifact_location
    model.save(str(folder / "MLmodel"))
