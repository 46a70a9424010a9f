"""Trainings survive anything: processes are really killed, and disks are really full."""

import copy
import hashlib
import os
import re
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
from fixtures_models import ROOT, TINY_TRAINING, contents, tiny_entry, write_dataset
from PIL import Image
from ruamel.yaml import YAML

from genlab import tracking
from genlab.settings import plugins
from genlab.settings.params import read_yaml

KINDS = plugins.names("models")
FEW_STEPS, MANY_STEPS = 300, 1500
CHANGES: dict[str, dict[str, Any]] = {
    # Checkpoints hold the best weights, too.
    "vae": {"network": "dense", "keep": "best", "monitor": "negative_elbo"},
    "gan": {"monitor": None},
}
SEED = 0
"""Of the moments of the kills; the machine's own speed adds to the chance."""
KEPT_FILES = ["holder.json", "lock", "recorded.json", "result", "summary.json", "training_id"]


# A place to train in


class Place:
    """A root with images, parameters and an MLflow store, where `genlab train` is a process."""

    def __init__(self, root: Path, kind: str, steps: int, checkpoint_every_seconds: float = 1e-6):
        self.root, self.kind, self.started = root, kind, 0.0
        self.log, self.options = "log.txt", list[str]()
        self.store = root
        """Where MLflow's database and artifacts are."""
        write_dataset(root / "images", train=200)
        shutil.copyfile(lab._empty_store(), root / "mlflow.db")
        entry = tiny_entry(kind, steps=steps, **CHANGES.get(kind, {"network": "dense"}))
        loop = TINY_TRAINING | {"log_every_steps": 10, "validate_every_steps": 50}
        loop |= {"checkpoint_every_seconds": checkpoint_every_seconds}
        changes = {"models": {kind: entry}, "training": loop}
        changes |= {"datasets": {}, "profiles": {"default": {}}}
        yaml = YAML(typ="safe", pure=True)
        yaml.dump(read_yaml(ROOT / "params.yaml") | changes, root / "params.yaml")

    def moved(self, root: Path) -> "Place":
        """Returns the place of a copy of this root."""
        other = copy.copy(self)
        other.root, other.store = root, root if self.store == self.root else self.store
        return other

    @property
    def command(self) -> list[str]:
        paths = f"--images images --features none --out models/{self.kind} --timings timings"
        return ["train", self.kind, *paths.split(), *self.options]

    @property
    def environment(self) -> dict[str, str]:
        outside = ("DVC_", "MLFLOW_", "GENLAB_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(outside)}
        own = {"DVC_ROOT": str(self.root), "MLFLOW_TRACKING_URI": self.uri}
        return kept | {"PYTHONPATH": str(ROOT / "src")} | own

    def start(self, *wrapper: str) -> subprocess.Popen[bytes]:
        """Starts `genlab train`, or a script that calls it, with its arguments."""
        self.started = time.time()
        how = ["-c", textwrap.dedent(wrapper[0]), *wrapper[1:]] if wrapper else ["-m", "genlab"]
        return self.run([sys.executable, "-u", *how, *self.command])

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.root / self.log).open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )

    def finish(self) -> None:
        """Runs the command to its end."""
        assert self.start().wait(timeout=300) == 0, self.output

    def has_new(self, pattern: str) -> bool:
        """Returns whether a file in `.genlab` was written since the last process was started."""
        files = self.root.glob(f".genlab/{pattern}")
        return any(path.stat().st_mtime > self.started for path in files)

    @property
    def output(self) -> str:
        """The last process's."""
        return (self.root / self.log).read_text()

    @property
    def resumed_from(self) -> int | None:
        """The step that the last process says it resumed from."""
        match = re.search(rf"{self.kind}: going on from step (\d+) of", self.output)
        return int(match[1]) if match else None

    def files(self, pattern: str) -> list[Path]:
        """Returns the files of the training's own folder that match a pattern."""
        return sorted(self.root.glob(f".genlab/training/*/{pattern}"))

    @property
    def newest_step(self) -> int:
        """The step of the newest checkpoint; 0 if there is none."""
        paths = self.files("checkpoints/step-*")
        return max((int(path.name.split("-")[1]) for path in paths), default=0)

    @property
    def result(self) -> dict[str, bytes]:
        return contents(self.root / "models" / self.kind)

    @property
    def points(self) -> dict[str, list[tuple[int, float]]]:
        """All points of all metrics of the one run, except times and the machine's own."""
        (run,) = lab.runs(uri=self.uri)
        assert run.info.status == "FINISHED"
        keys = [key for key in run.data.metrics if not key.startswith("system/")]
        points = {key: lab.points(run, key, self.uri) for key in keys}
        assert [len(points.pop(key)) for key in keys if key.startswith("time/")] == [1, 1]
        return points

    @property
    def pictures(self) -> list[str]:
        """The names of the images in MLflow without their random part; each can be opened."""
        paths = sorted(self.store.glob("mlartifacts/*/artifacts/images/*"))
        for path in paths:
            with Image.open(path) as image:
                image.load()
        names = [(path.name.split("+"), path.suffix) for path in paths]
        return sorted(f"{parts[0]} {parts[2]} {suffix}" for parts, suffix in names)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.store / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # for this process's own questions to MLflow


Reference = Callable[[str, int], Place]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Returns a function that trains a kind once, undisturbed and without checkpoints."""
    places: dict[tuple[str, int], Place] = {}

    def train(kind: str, steps: int) -> Place:
        if (kind, steps) not in places:
            place = places[kind, steps] = Place(tmp_path_factory.mktemp(kind), kind, steps, 1000.0)
            place.finish()
        return places[kind, steps]

    return train


def assert_same(victim: Place, reference: Place) -> None:
    """Compares a killed training with the reference: bytes, metrics and images, each once."""
    assert victim.result == reference.result
    points = victim.points
    assert points == reference.points
    assert all(len({step for step, _ in history}) == len(history) for history in points.values())
    assert victim.pictures == reference.pictures
    (run,) = lab.runs(uri=victim.uri)
    assert len(run.outputs.model_outputs) == 1
    assert [path.name for path in victim.files("*")] == KEPT_FILES
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(victim.root))
        assert str(tracking.sync()) == "Nothing to send."


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


def unfinished(place: Place) -> list[Path]:
    """Returns the checkpoint that is being written, or was when its process was killed."""
    return place.files("checkpoints/writing")


def finishes(place: Place, step: int) -> bool:
    return bool(place.files("summary.json")) and place.has_new("tracking/*/journal.jsonl")


MOMENTS: dict[str, tuple[Callable[[Place, int], Any], float]] = {
    "after its start": (lambda place, step: True, 6.0),
    "while it trained": (lambda place, step: place.newest_step > step + 20, 0.2),
    "while it wrote a checkpoint": (
        lambda place, step: place.newest_step > step and unfinished(place),
        0.03,
    ),
    "while it wrote the result": (lambda place, step: place.files(".result.building"), 0.2),
    "while it finished the run": (finishes, 1.0),
    "while it ended the run": (lambda place, step: place.has_new("training/*/recorded.json"), 0.02),
}
"""What to wait for, given the step at the process's start, and up to how many seconds more."""


def kill_at_random(victim: Place, names: Sequence[str]) -> list[str]:
    """Starts and kills the training once for each name of a moment; returns a line on each."""
    chance, lines = np.random.default_rng([SEED, KINDS.index(victim.kind)]), []
    for number, name in enumerate(names, 1):
        is_ready, longest = MOMENTS[name]
        step, was_trained = victim.newest_step, victim.files("summary.json")
        process = victim.start(SLOW_WRITES)
        try:
            while process.poll() is None and not is_ready(victim, step):
                time.sleep(0.002)
            time.sleep(chance.uniform(0, longest))
        finally:
            process.kill()
        assert process.wait() in (-9, 0), victim.output
        assert victim.resumed_from in (None, step), "it resumes from the newest whole checkpoint"
        half = [path.stat().st_size for path in unfinished(victim)]
        begin = "was trained" if was_trained else f"resumed from {victim.resumed_from}"
        end = f"killed {name}" if process.returncode == -9 else "ended by itself"
        left = f"; left an unfinished checkpoint of {half[0]} bytes" if half else ""
        lines.append(f"{number:2}. {begin}, {end}; newest: {victim.newest_step}{left}")
    print("\n".join([f"{victim.kind}, seed {SEED}", *lines]))
    return lines


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_twenty_times_and_the_same(reference: Reference, tmp_path: Path, kind: str) -> None:
    victim = Place(tmp_path, kind, MANY_STEPS)
    start, training, writing, result, finishing, ending = MOMENTS
    names = [start] * 4 + [training] * 6 + [writing] * 7
    shuffled = np.random.default_rng(SEED).permutation(names).tolist()
    lines = kill_at_random(victim, [*shuffled, result, *[finishing] * 3, *[ending] * 2])
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
"""Python announces what it does to a file: after all patterns but the last it is killed there."""

JOURNAL = r"open \('.*journal\.jsonl'"
NOTED = r"os.rename .*/sent\.json'"
OLDEST = r"os.remove .*/checkpoints/step-"
RECORDED = r"os.rename .*/recorded\.json'"
PRUNED = r"shutil.rmtree .*/checkpoints'"
FORMER = r"os.rename .*\.vae\.former'"
EXACTLY = {
    "its id gets its name": r"os.rename .*/training_id'",
    "its journal is begun": JOURNAL,
    "its run was made, which is not yet noted": NOTED,
    "an image is written": r"open .*/progress/samples_000001\.png'",
    "the second of an image's two files is sent": r"open .*compressed\.webp'",
    "the first checkpoint gets its name": r"os.rename .*/checkpoints/step-",
    "the oldest of three checkpoints is removed": OLDEST,
    "metrics were sent, which is not yet noted": f"{OLDEST} then {JOURNAL} then {NOTED}",
    "the result gets its name": r"os.rename .*/result'",
    "its summary gets its name": r"os.rename .*/summary\.json'",
    "one of two checkpoints is removed": f"{PRUNED} then os.remove then os.remove",
    "the packed model is journaled": rf"shutil.copytree .*/model/code then {JOURNAL}",
    "it is recorded": RECORDED,
    "the run's end is journaled": f"{RECORDED} then {JOURNAL}",
    "the run's end was sent, which is not yet noted": f"{RECORDED} then {JOURNAL} then {NOTED}",
    "the journal is removed": r"os.remove .*/journal\.jsonl'",
    "the former model makes way": FORMER,
    "the new model takes its place": f"{FORMER} then os.rename",
    "its times are copied": r"os.rename .*timings/vae\.json'",
}
"""What is about to happen in one training, in this order."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_step_of_its_way_and_the_same(reference: Reference, tmp_path: Path) -> None:
    victim = Place(tmp_path, "vae", FEW_STEPS)
    former = tmp_path / "models" / "vae"
    shutil.copytree(reference("vae", FEW_STEPS).root / "models" / "vae", former)
    (former / "history.csv").write_text("of another training\n")
    for name, patterns in EXACTLY.items():
        code = victim.start(KILLER, patterns).wait(timeout=300)
        assert code == -9, f"{name}: {victim.output}"
    victim.finish()
    assert_same(victim, reference("vae", FEW_STEPS))


# Two at once


@pytest.mark.slow
def test_second_names_the_first_and_takes_over_when_it_is_killed(
    reference: Reference, tmp_path: Path
) -> None:
    place = Place(tmp_path, "vae", FEW_STEPS)
    waiting, refused = copy.copy(place), copy.copy(place)
    waiting.log, refused.log, refused.options = "waiting.txt", "refused.txt", ["--no-wait"]
    holder = place.start()
    try:
        while not place.newest_step:
            assert holder.poll() is None, place.output
            time.sleep(0.002)
        holder.send_signal(signal.SIGSTOP)
        second, third = waiting.start(), refused.start()
        assert third.wait(timeout=300) == 1
        while "waiting" not in waiting.output:
            assert second.poll() is None, waiting.output
            time.sleep(0.05)
        step = place.newest_step
    finally:
        holder.kill()
    assert holder.wait() == -9
    assert second.wait(timeout=300) == 0
    host = re.escape(socket.gethostname())
    who = rf"process {holder.pid} on host {host} has been at this very training \([0-9a-f]{{32}}\)"
    who += r" since [-\d]+ [:\d]+: genlab train vae --images images [^.;]*"
    assert re.match(f"vae: {who}; waiting for its result\n", waiting.output)
    assert re.fullmatch(rf"error: vae must .*\. Received: {who}\. .*\n", refused.output)
    assert waiting.resumed_from == step
    assert_same(place, reference("vae", FEW_STEPS))


# A full disk

FULL_DISK = """
    aside=$1 root=$2 room=$3 seen=$4; shift 4
    mount -t tmpfs -o size=64m tmpfs "$aside" && cp -r "$root/." "$aside" \
        && mount --bind "$aside" "$root" || exit 99
    cd "$root"
    head -c "$room" /dev/zero > spare; cat /dev/zero > ballast 2> /dev/null; rm spare
    "$@" > "$seen/log.txt" 2>&1
    echo $? > "$seen/code.txt"
    rm ballast; cp -r . "$seen/full"; cp "$seen/log.txt" "$seen/full"
    mount -o remount,size=128m "$aside"
    "$@"; code=$?
    cp -r . "$seen/end"
    exit $code
"""
"""Runs a command in a root on a disk of its own with so many bytes of room, then with more."""

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
    """Returns whether this machine lets us make a disk of our own."""
    if not shutil.which("unshare"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = [*IN_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", folder]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def begun(root: Path, store: Path) -> Place:
    """Returns a place where a training was killed after a few checkpoints."""
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
    assert process.wait() == -9, place.output
    return place


def train_short_of_room(place: Place, room: int | None, seen: Path) -> tuple[Place, Place]:
    """Trains with `room` bytes left, or with files of limited size, then with more.

    Returns:
        Copies of both outcomes.
    """
    (seen / "aside").mkdir(parents=True)
    if room is None or not can_mount():
        assert place.start(LIMITED).wait(timeout=300) == 1
        shutil.copytree(place.root, seen / "full")
        place.finish()
        return place.moved(seen / "full"), place
    arguments = [str(seen / "aside"), str(place.root), str(room), str(seen)]
    script = ["sh", "-c", textwrap.dedent(FULL_DISK), "sh", *arguments]
    train = [sys.executable, "-u", "-m", "genlab", *place.command]
    assert place.run([*IN_NAMESPACE, *script, *train]).wait(timeout=300) == 0, place.output
    assert (seen / "code.txt").read_text() == "1\n"
    shutil.copyfile(place.root / "log.txt", seen / "end" / "log.txt")
    return place.moved(seen / "full"), place.moved(seen / "end")


def assert_told(place: Place) -> None:
    """Checks that a training ended with one line, without half files or lost checkpoints."""
    output = place.output
    assert "Traceback" not in output
    assert output.count("error: ") == 1
    room = r"error: the disk must have room for \S+/\.genlab/\S+\. Received: "
    assert re.match(room + "(No space left on device|File too large)", output.splitlines()[-1])
    half = re.compile(r"\.(building|former|room)$|^writing")
    assert [path for path in place.root.rglob("*") if half.search(path.name)] == []
    assert not (place.root / "models").exists()
    checkpoints = place.files("checkpoints/step-*")
    assert len(checkpoints) >= 2 or place.files("summary.json")
    for path in checkpoints:
        assert path.stem.split("-")[2] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


ROOMS = {
    "none": (0, "place"),
    "a little": (16_384, "place"),
    "not for the weights": (131_072, "place"),
    "not for the packed model": (262_144, "place"),
    "for small files": (None, "place"),
    "a little, and the tracker elsewhere": (16_384, "store"),
}
"""In bytes, and where the store is; the rest of the training takes about a million."""


@pytest.mark.slow
@pytest.mark.parametrize("case", ROOMS)
def test_full_disk_is_told_and_loses_nothing(
    reference: Reference, tmp_path: Path, case: str
) -> None:
    room, store = ROOMS[case]
    place = begun(tmp_path / "place", tmp_path / store)
    step = place.newest_step
    full, end = train_short_of_room(place, room, tmp_path / "seen")
    assert_told(full)
    if full.newest_step:
        assert full.newest_step >= step
        assert end.resumed_from == full.newest_step
    assert_same(end, reference("vae", FEW_STEPS))


# Before a training


@pytest.mark.slow
def test_store_whose_making_is_killed_is_made_again(tmp_path: Path) -> None:
    place = Place(tmp_path, "vae", 20)
    (tmp_path / "mlflow.db").unlink()
    assert place.start(KILLER, r"os.rename .*/mlflow\.db'").wait(timeout=300) == -9, place.output
    place.finish()
    (run,) = lab.runs(uri=place.uri)
    assert run.info.status == "FINISHED"
    assert "does not answer" not in place.output


@pytest.mark.slow
def test_fetch_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if can_mount():
        mount = 'mount -t tmpfs -o size=60k tmpfs "$1" && cd "$1" && shift && "$@"'
        prefix = [*IN_NAMESPACE, "sh", "-c", mount]
    else:  # then at least the limit's
        prefix = ["sh", "-c", 'cd "$1"; ulimit -f 40; shift; "$@"']
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "DVC_ROOT": str(tmp_path)}
    fetch = f"cp {ROOT / 'params.yaml'} . && exec {sys.executable} -m genlab fetch --out images"
    command = [*prefix, "sh", str(tmp_path), "sh", "-c", fetch]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    room = r"error: the disk must have room for images\. Received: .*\n"
    assert re.fullmatch(room, process.stderr)
