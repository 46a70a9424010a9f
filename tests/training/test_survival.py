"""Trainings that survive anything: real processes that are really killed, and disks that are really full."""

import copy
import hashlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tracking_workspace as lab
from fixtures_models import ROOT, TINY_TRAINING, contents, tiny_entry, tiny_params, write_dataset
from PIL import Image
from ruamel.yaml import YAML

from genlab import tracking
from genlab.runtime import files
from genlab.settings import plugins
from genlab.settings.params import read_yaml
from genlab.stages import train as stage
from genlab.tracking.journal import Journal
from genlab.tracking.sender import Sender

KINDS = plugins.names("models")
FEW_STEPS, MANY_STEPS = 300, 1500
CHANGES: dict[str, dict[str, Any]] = {
    "vae": {
        "network": "dense",
        "keep": "best",
        "monitor": "negative_elbo",
    },  # checkpoints hold the best weights, too
    "gan": {"monitor": None},
}
SEED = 0
"""Of the moments of the kills; the machine's own speed adds to the chance."""


# A place to train in


class Place:
    """A root of its own with images, parameters and an empty MLflow store, where `genlab train` runs as a process."""

    def __init__(self, root: Path, kind: str, steps: int, checkpoint_every_seconds: float = 1e-6):
        self.root, self.kind, self.started = root, kind, 0.0
        self.voice, self.options = "said.txt", list[str]()
        self.store = root
        """Where MLflow's database and artifacts are."""
        write_dataset(root / "images", train=200)
        shutil.copyfile(lab._empty_store(), root / "mlflow.db")
        entry = tiny_entry(kind, steps=steps, **CHANGES.get(kind, {"network": "dense"}))
        pauses = {"log_every_steps": 10, "validate_every_steps": 50}
        changes = {
            "models": {kind: entry},
            "training": TINY_TRAINING
            | pauses
            | {"checkpoint_every_seconds": checkpoint_every_seconds},
            "datasets": {},
            "profiles": {"default": {}},
        }
        YAML(typ="safe", pure=True).dump(
            read_yaml(ROOT / "params.yaml") | changes, root / "params.yaml"
        )

    def moved(self, root: Path) -> "Place":
        """Returns what a copy of this place is."""
        other = copy.copy(self)
        other.root, other.store = root, root if self.store == self.root else self.store
        return other

    @property
    def command(self) -> list[str]:
        """Returns the arguments of `genlab`."""
        paths = f"--images images --features none --out models/{self.kind} --timings timings"
        return ["train", self.kind, *paths.split(), *self.options]

    @property
    def environment(self) -> dict[str, str]:
        """Returns the environment of a process here."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DVC_", "MLFLOW_", "GENLAB_"))
        }
        return kept | {
            "PYTHONPATH": str(ROOT / "src"),
            "DVC_ROOT": str(self.root),
            "MLFLOW_TRACKING_URI": self.uri,
        }

    def start(self, *wrapper: str) -> subprocess.Popen[bytes]:
        """Starts `genlab train`, or a script that calls it, with its arguments; what it says is `said`."""
        self.started = time.time()
        how = ["-c", textwrap.dedent(wrapper[0]), *wrapper[1:]] if wrapper else ["-m", "genlab"]
        return self.run([sys.executable, "-u", *how, *self.command])

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Starts a command here."""
        with (self.root / self.voice).open("wb") as said:
            return subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=said, stderr=subprocess.STDOUT
            )

    def has_new(self, pattern: str) -> bool:
        """Says whether a file below `.genlab` was written since the last process was started."""
        return any(
            path.stat().st_mtime > self.started for path in self.root.glob(f".genlab/{pattern}")
        )

    def finish(self) -> None:
        """Runs the command to its end."""
        assert self.start().wait(timeout=300) == 0, self.said

    @property
    def said(self) -> str:
        """Returns what the last process said."""
        return (self.root / self.voice).read_text()

    @property
    def went_on_from(self) -> int | None:
        """Returns the step that the last process says it went on from."""
        found = re.search(rf"{self.kind}: going on from step (\d+) of", self.said)
        return int(found[1]) if found else None

    def files(self, pattern: str) -> list[Path]:
        """Returns the files of the training's own folder that match a pattern."""
        return sorted(self.root.glob(f".genlab/training/*/{pattern}"))

    @property
    def newest_step(self) -> int:
        """Returns the step of the newest checkpoint; 0 where there is none."""
        return max(
            (int(path.name.split("-")[1]) for path in self.files("checkpoints/step-*")), default=0
        )

    @property
    def result(self) -> dict[str, bytes]:
        """Returns the bytes of the trained model's files."""
        return contents(self.root / "models" / self.kind)

    @property
    def points(self) -> dict[str, list[tuple[int, float]]]:
        """Returns all points of all metrics of the one MLflow run, but for times and the machine's own."""
        (run,) = lab.runs(uri=self.uri)
        assert run.info.status == "FINISHED"
        points = {
            key: lab.points(run, key, self.uri)
            for key in run.data.metrics
            if not key.startswith("system/")
        }
        assert [len(points.pop(key)) for key in list(points) if key.startswith("time/")] == [1, 1]
        return points

    @property
    def pictures(self) -> list[str]:
        """Returns the names of the pictures in MLflow without their random part; each can be opened."""
        paths = sorted(self.store.glob("mlartifacts/*/artifacts/images/*"))
        for path in paths:
            with Image.open(path) as image:
                image.load()
        return sorted(
            f"{path.name.split('+')[0]} {path.name.split('+')[2]} {path.suffix}" for path in paths
        )

    @property
    def uri(self) -> str:
        """Returns the address of the MLflow store."""
        return f"sqlite:///{self.store / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DVC_ROOT", str(tmp_path)
    )  # where this process's own questions to MLflow leave their lock


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Place]:
    """Returns a function that trains a kind once, undisturbed and without checkpoints."""
    places: dict[tuple[str, int], Place] = {}

    def train(kind: str, steps: int) -> Place:
        if (kind, steps) not in places:
            place = places[kind, steps] = Place(tmp_path_factory.mktemp(kind), kind, steps, 1000.0)
            place.finish()
        return places[kind, steps]

    return train


Reference = Callable[[str, int], Place]


def assert_same(victim: Place, reference: Place) -> None:
    """Compares what was killed with what was not: bytes, metrics and pictures, each of them once."""
    assert victim.result == reference.result
    points = victim.points
    assert points == reference.points
    assert all(len({step for step, _ in history}) == len(history) for history in points.values())
    assert victim.pictures == reference.pictures
    (run,) = lab.runs(uri=victim.uri)
    assert len(run.outputs.model_outputs) == 1
    assert sorted(path.name for path in victim.files("*")) == KEPT_FILES
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(victim.root))
        assert str(tracking.sync()) == "Nothing to send."


KEPT_FILES = ["holder.json", "lock", "recorded.json", "result", "summary.json", "training_id"]


# One file


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


def test_file_and_folder_and_link_make_way_for_each_other(tmp_path: Path) -> None:
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


# Killed at random moments

SLOW_WRITES = """
    import time
    from pathlib import Path
    from genlab.cli import main

    write_bytes = Path.write_bytes

    def write_slowly(path, data):
        if path.name != "writing":
            return write_bytes(path, data)
        with path.open("wb", buffering=0) as file:
            for part in (data[: len(data) // 2], data[len(data) // 2 :]):
                file.write(part)
                time.sleep(0.02)

    Path.write_bytes = write_slowly
    main(prog_name="genlab")
"""

MOMENTS: dict[str, tuple[Callable[[Place, int], Any], float]] = {
    "after its start": (lambda place, step: True, 6.0),
    "while it trained": (lambda place, step: place.newest_step > step + 20, 0.2),
    "while it wrote a checkpoint": (
        lambda place, step: place.newest_step > step and unfinished(place),
        0.03,
    ),
    "while it wrote the result": (lambda place, step: place.files(".result.building"), 0.2),
    "while it finished the run": (
        lambda place, step: (
            place.files("summary.json") and place.has_new("tracking/*/journal.jsonl")
        ),
        1.0,
    ),
    "while it ended the run": (lambda place, step: place.has_new("training/*/recorded.json"), 0.02),
}
"""What to wait for, given the step that the process began at, and up to how many seconds more."""


def unfinished(place: Place) -> list[Path]:
    """Returns the checkpoint that is being written, or was when its process was killed."""
    return place.files("checkpoints/writing")


def kill_at_random(victim: Place, names: Sequence[str]) -> list[str]:
    """Starts and kills the training once for each name of a moment; returns what was seen, a line each."""
    chance, lines = np.random.default_rng([SEED, KINDS.index(victim.kind)]), []
    for number, name in enumerate(names, 1):
        (is_ready, longest), step, was_trained = (
            MOMENTS[name],
            victim.newest_step,
            victim.files("summary.json"),
        )
        process, started = victim.start(SLOW_WRITES), time.monotonic()
        try:
            while process.poll() is None and not is_ready(victim, step):
                time.sleep(0.002)
            time.sleep(chance.uniform(0, longest))
        finally:
            process.kill()
        assert process.wait() in (-9, 0), victim.said
        lived, died = time.monotonic() - started, process.returncode == -9
        assert victim.went_on_from in (None, step), (
            "it goes on from the newest whole checkpoint, and says so"
        )
        half = [path.stat().st_size for path in unfinished(victim)]
        left = f"; left an unfinished checkpoint of {half[0]} bytes" if half else ""
        begun = "had not begun" if victim.went_on_from is None else f"went on from step {step}"
        begun = "was trained" if was_trained else begun
        how = f"killed {name}" if died else "ended by itself"
        lines.append(
            f"{number:2}. {begun}, {how}, {lived:.2f} s old; newest checkpoint: {victim.newest_step}{left}"
        )
    (victim.root / "kills.txt").write_text("\n".join([f"{victim.kind}, seed {SEED}", *lines, ""]))
    print((victim.root / "kills.txt").read_text())
    return lines


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_twenty_times_and_the_same(reference: Reference, tmp_path: Path, kind: str) -> None:
    victim = Place(tmp_path, kind, MANY_STEPS)
    start, training, writing, result, finishing, ending = MOMENTS
    names = (
        np.random.default_rng(SEED)
        .permutation([start] * 4 + [training] * 6 + [writing] * 7)
        .tolist()
    )
    lines = kill_at_random(
        victim, [*names, result, finishing, finishing, finishing, ending, ending]
    )
    assert sum("killed" in line for line in lines) >= 20
    assert sum("left an unfinished checkpoint" in line for line in lines) >= 3
    victim.finish()
    assert_same(victim, reference(kind, MANY_STEPS))


# Killed at each exact moment

KILLER = """
    import os, re, signal, sys
    from genlab.cli import main

    patterns = sys.argv.pop(1).split(" then ")

    def kill_at_the_last(event, arguments):
        if patterns and re.search(patterns[0], f"{event} {arguments}"):
            patterns.pop(0)
            if not patterns:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill_at_the_last)
    main(prog_name="genlab")
"""
"""Python announces what it is about to do with a file: after all patterns but the last it is killed at the last."""

JOURNAL = r"open \('.*journal\.jsonl'"
NOTED = r"os.rename .*/sent\.json'"
OLDEST = r"os.remove .*/checkpoints/step-"
RECORDED = r"os.rename .*/recorded\.json'"
EXACTLY = {
    "its id gets its name": r"os.rename .*/training_id'",
    "its journal is begun": JOURNAL,
    "its run was made, which is not yet noted": NOTED,
    "a picture is written": r"open .*/progress/samples_000001\.png'",
    "the second of a picture's two files is sent": r"open .*compressed\.webp'",
    "the first checkpoint gets its name": r"os.rename .*/checkpoints/step-",
    "the oldest of three checkpoints is removed": OLDEST,
    "metrics were sent, which is not yet noted": OLDEST + " then " + JOURNAL + " then " + NOTED,
    "the result gets its name": r"os.rename .*/result'",
    "its summary gets its name": r"os.rename .*/summary\.json'",
    "one of two needless checkpoints is removed": r"shutil.rmtree .*/checkpoints' then os.remove then os.remove",
    "the packed model is journaled": r"shutil.copytree .*/model/code then " + JOURNAL,
    "it is recorded": RECORDED,
    "the run's end is journaled": RECORDED + " then " + JOURNAL,
    "the run's end was sent, which is not yet noted": RECORDED
    + " then "
    + JOURNAL
    + " then "
    + NOTED,
    "the journal is removed": r"os.remove .*/journal\.jsonl'",
    "the former model makes way": r"os.rename .*\.vae\.former'",
    "the new model takes its place": r"os.rename .*\.vae\.former' then os.rename",
    "its times are copied": r"os.rename .*timings/vae\.json'",
}
"""What is about to happen in one training, in this order."""


def kill_exactly(victim: Place, names: Sequence[str]) -> None:
    """Starts the training once for each name of a moment, at which it is killed."""
    for name in names:
        code = victim.start(KILLER, EXACTLY[name]).wait(timeout=300)
        assert code == -9, f"{name}: {victim.said}"
        print(
            f"killed when {name}; had gone on from step {victim.went_on_from}; newest: {victim.newest_step}"
        )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_step_of_its_way_and_the_same(reference: Reference, tmp_path: Path) -> None:
    victim = Place(tmp_path, "vae", FEW_STEPS)
    (tmp_path / "models" / "vae" / "of_another_training").mkdir(parents=True)
    kill_exactly(victim, list(EXACTLY))
    victim.finish()
    assert_same(victim, reference("vae", FEW_STEPS))


@pytest.mark.parametrize("entries", [False, True])
def test_lost_end_of_a_run_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: bool
) -> None:
    """The end is lost before it is journaled, or after that, before it is sent."""
    lab.enter(monkeypatch, tmp_path)
    images, params = (
        write_dataset(tmp_path / "images"),
        tiny_params({"gan": tiny_entry("gan", monitor=None)}),
    )

    def train() -> None:
        stage.run(params, "gan", images, tmp_path / "none", tmp_path / "out", tmp_path / "timings")

    def lose(sender: Sender) -> int:
        if sender.journal.status:
            raise KeyboardInterrupt
        return send(sender)

    send = Sender.send
    with monkeypatch.context() as patch:
        if entries:
            patch.setattr(Sender, "send", lose)
        else:
            patch.setattr(tracking.Run, "end", lambda *values: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train()
    assert [run.info.status for run in lab.runs()] == ["RUNNING"]
    train()
    assert [run.info.status for run in lab.runs()] == ["FINISHED"]
    train()
    (run,) = lab.runs()
    assert len(lab.points(run, "time/train_seconds")) == len(run.outputs.model_outputs) == 1
    assert (tmp_path / "out" / "settings.json").is_file()


# Two at once


def test_second_names_the_first_and_takes_over_when_it_is_killed(
    reference: Reference, tmp_path: Path
) -> None:
    place = Place(tmp_path, "vae", FEW_STEPS)
    waiting, refused = copy.copy(place), copy.copy(place)
    waiting.voice, refused.voice, refused.options = "waiting.txt", "refused.txt", ["--no-wait"]
    holder = place.start()
    try:
        while not place.newest_step:
            assert holder.poll() is None, place.said
            time.sleep(0.002)
        holder.send_signal(signal.SIGSTOP)
        second = waiting.start()
        assert refused.start().wait(timeout=300) == 1
        while "waiting" not in waiting.said:
            assert second.poll() is None, waiting.said
            time.sleep(0.05)
        step = place.newest_step
    finally:
        holder.kill()
    assert holder.wait() == -9
    assert second.wait(timeout=300) == 0
    who = f"process {holder.pid} on host {re.escape(socket.gethostname())} has been at this very training"
    who += r" \([0-9a-f]{32}\) since [-\d]+ [:\d]+: genlab train vae --images images [^.;]*"
    assert re.match(f"vae: {who}; waiting for its result\n", waiting.said)
    expected = f"error: vae must be trained by one process at a time. Received: {who}. "
    assert re.fullmatch(expected + "Wait for its end, or leave out --no-wait.\n", refused.said)
    assert waiting.went_on_from == step
    assert_same(place, reference("vae", FEW_STEPS))


# A full disk

FULL_DISK = """
    aside=$1 root=$2 room=$3 seen=$4; shift 4
    mount -t tmpfs -o size=64m tmpfs "$aside" && cp -r "$root/." "$aside" && mount --bind "$aside" "$root" || exit 99
    cd "$root"
    head -c "$room" /dev/zero > spare; cat /dev/zero > ballast 2> /dev/null; rm spare
    "$@" > "$seen/said.txt" 2>&1
    echo $? > "$seen/code.txt"
    rm ballast; cp -r . "$seen/full"; cp "$seen/said.txt" "$seen/full"
    mount -o remount,size=128m "$aside"
    "$@"; code=$?
    cp -r . "$seen/end"
    exit $code
"""
"""Runs a command in a root on a disk of its own with so many bytes of room, then again with more."""

IN_NAMESPACE = ["unshare", "--map-root-user", "--mount"]

LIMITED = """
    import resource
    from pathlib import Path
    from genlab.cli import main

    write_bytes = Path.write_bytes

    def write_with_a_limit(path, data):
        former = resource.getrlimit(resource.RLIMIT_FSIZE)
        if path.name == "writing":
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) // 2, former[1]))
        try:
            return write_bytes(path, data)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, former)

    Path.write_bytes = write_with_a_limit
    main(prog_name="genlab")
"""


def can_mount() -> bool:
    """Says whether this machine lets us make a disk of our own."""
    if not shutil.which("unshare"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = [*IN_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", folder]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def begun(root: Path, store: Path) -> Place:
    """Returns a place where a training was killed after a few checkpoints, with MLflow's store in a folder."""
    root.mkdir()
    place = Place(root, "vae", FEW_STEPS)
    if store != root:
        store.mkdir()
        (root / "mlflow.db").rename(store / "mlflow.db")
        place.store = store
    process = place.start()
    try:
        while place.newest_step < FEW_STEPS // 4 and process.poll() is None:
            time.sleep(0.002)
    finally:
        process.kill()
    assert process.wait() == -9, place.said
    return place


def train_short_of_room(place: Place, room: int | None, seen: Path) -> tuple[Place, Place]:
    """Trains with `room` bytes left, or files of limited size, then with more; returns copies of both outcomes."""
    (seen / "aside").mkdir(parents=True)
    if room is None or not can_mount():
        assert place.start(LIMITED).wait(timeout=300) == 1
        shutil.copytree(place.root, seen / "full")
        place.finish()
        return place.moved(seen / "full"), place
    script = [
        "sh",
        "-c",
        textwrap.dedent(FULL_DISK),
        "sh",
        str(seen / "aside"),
        str(place.root),
        str(room),
        str(seen),
    ]
    train = [sys.executable, "-u", "-m", "genlab", *place.command]
    assert place.run([*IN_NAMESPACE, *script, *train]).wait(timeout=300) == 0, place.said
    assert (seen / "code.txt").read_text() == "1\n"
    shutil.copyfile(place.root / "said.txt", seen / "end" / "said.txt")
    return place.moved(seen / "full"), place.moved(seen / "end")


def assert_told(place: Place) -> None:
    """Checks that a training ended with one clear line, left nothing half-written and lost no finished checkpoint."""
    said = place.said
    assert "Traceback" not in said
    assert said.count("error: ") == 1
    told = r"error: the disk must have room for \S+/\.genlab/\S+\. Received: (No space left on device|File too large)"
    rest = ". Make room; finished checkpoints are kept, the same command goes on."
    assert re.fullmatch(told + re.escape(rest), said.splitlines()[-1])
    left = [
        path
        for path in place.root.rglob("*")
        if re.search(r"\.(building|former|room)$|^writing", path.name)
    ]
    assert left == []
    assert not (place.root / "models").exists()
    checkpoints = place.files("checkpoints/step-*")
    assert len(checkpoints) >= 2 or place.files("summary.json")
    for path in checkpoints:
        assert path.stem.split("-")[2] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


ROOMS = {
    "none": 0,
    "a little": 16_384,
    "not for the weights": 131_072,
    "not for the packed model": 262_144,
    "for small files": None,
}
"""In bytes; the rest of the training takes about a million."""


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_full_disk_is_told_and_loses_nothing(
    reference: Reference, tmp_path: Path, room: str
) -> None:
    assert_survives_full_disk(
        begun(tmp_path / "place", tmp_path / "place"), ROOMS[room], reference, tmp_path / "seen"
    )


@pytest.mark.slow
def test_full_disk_with_the_tracker_elsewhere(reference: Reference, tmp_path: Path) -> None:
    assert_survives_full_disk(
        begun(tmp_path / "place", tmp_path / "store"),
        ROOMS["a little"],
        reference,
        tmp_path / "seen",
    )


def assert_survives_full_disk(
    place: Place, room: int | None, reference: Reference, seen: Path
) -> None:
    step = place.newest_step
    full, end = train_short_of_room(place, room, seen)
    assert_told(full)
    if full.newest_step:
        assert full.newest_step >= step
        assert end.went_on_from == full.newest_step
    assert_same(end, reference("vae", FEW_STEPS))


# What the rest needs to be as sure


def test_journal_takes_an_entry_or_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.enter(monkeypatch, tmp_path)
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


@pytest.mark.slow
def test_store_whose_making_is_killed_is_made_again(tmp_path: Path) -> None:
    place = Place(tmp_path, "vae", 20)
    (tmp_path / "mlflow.db").unlink()
    assert place.start(KILLER, r"os.rename .*/mlflow\.db'").wait(timeout=300) == -9, place.said
    place.finish()
    (run,) = lab.runs(uri=place.uri)
    assert run.info.status == "FINISHED"
    assert "does not answer" not in place.said


def test_fetch_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not can_mount():  # then at least the limit's
        prefix, script = [], 'cd "$1"; ulimit -f 40; shift; "$@"'
    else:
        prefix, script = (
            IN_NAMESPACE,
            'mount -t tmpfs -o size=60k tmpfs "$1" && cd "$1" && shift && "$@"',
        )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(tmp_path)}
    shutil.copy(ROOT / "params.yaml", tmp_path)
    fetch = f"cp {ROOT / 'params.yaml'} . && exec {sys.executable} -m genlab fetch --out images"
    command = [*prefix, "sh", "-c", script, "sh", str(tmp_path), "sh", "-c", fetch]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: the disk must have room for images\. Received: .*\n", done.stderr)
