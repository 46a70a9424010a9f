"""Many machines on one study: a real PostgreSQL server, and tuners that share only its address."""

import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import pytest
import tuning_workspace as tw
from optuna.trial import FrozenTrial, TrialState
from test_tune_study import IDENTITY, SPACE, settings, value_of
from tuning_workspace import NUM_TRIALS, Place, wait_for

from genlab.tune import storage, study
from genlab.tune.study import Study, settled

STUDY = "vae-digits"
pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning", "ignore:Heartbeat of storage is supposed"
)
Start = Callable[..., BaseProcess]


class Server:
    """A PostgreSQL server in a folder of its own, on the loopback interface alone."""

    def __init__(self, binaries: Path, folder: Path):
        self._binaries, self._folder = binaries, folder
        self._data = str(folder / "data")
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        if self._user:
            shutil.chown(folder, "postgres")
        options = ("-A", "trust", "-U", "genlab", "--no-sync", "-E", "UTF8")
        self._run("initdb", "-D", self._data, *options)
        self._num_databases = 0

    def _run(self, name: str, *arguments: str) -> None:
        command = [*self._user, str(self._binaries / name), *arguments]
        with (self._folder.parent / "postgres.log").open("ab") as log:
            subprocess.run(
                command, cwd=self._folder, stdout=log, stderr=log, check=True, timeout=120
            )

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self._folder}"
        wait = ("-w", "-t", "60", "-l", "/dev/null")
        self._run("pg_ctl", "-D", self._data, *wait, "-o", options, "start")

    def stop(self) -> None:
        """Stops it at once, without an answer to anyone."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def database(self) -> str:
        """Returns the address of a new, empty database."""
        self._num_databases += 1
        name = f"studies{self._num_databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", self._port, "-U", "genlab", name)
        return f"postgresql://genlab@127.0.0.1:{self._port}/{name}"


def _binaries() -> Path | None:
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    own = shutil.which("initdb")
    folders += [Path(own).resolve().parent] if own else []
    return next((folder for folder in sorted(folders) if (folder / "createdb").is_file()), None)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Returns a running server; `postgres` could not read a folder below pytest's own."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "server").mkdir()
    running = Server(binaries, folder / "server")
    running.start()
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture
def address(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns the address of an empty database, which the environment names."""
    new = server.database()
    monkeypatch.setenv(storage.ADDRESS, new)
    return new


@contextmanager
def opened(address: str) -> Iterator[optuna.storages.RDBStorage]:
    """Opens the database as a tuner does, and closes it."""
    database = storage.open_storage(settings(storage=address), STUDY)
    assert isinstance(database, optuna.storages.RDBStorage)
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


def trials(address: str) -> list[FrozenTrial]:
    """Returns the trials in the database."""
    with opened(address) as database:
        studies = database.get_all_studies()
        return database.get_all_trials(studies[0]._study_id) if studies else []


def end(*tuners: BaseProcess) -> list[int | None]:
    """Waits for the end of tuners; returns their exit statuses."""
    for tuner in tuners:
        tuner.join(120)
    return [tuner.exitcode for tuner in tuners]


def confirmed(*places: Place) -> list[bool]:
    return [(place.root / "out" / "best_params.yaml").is_file() for place in places]


def machines(folder: Path, number: int, **changes: Any) -> list[Place]:
    """Returns roots that share nothing."""
    changes["search"] = {"heartbeat_seconds": 1} | changes.get("search", {})
    return [Place(folder / f"machine{index}", **changes) for index in range(number)]


def begun(place: Place) -> list[str]:
    """Returns the names of the trials' runs on this machine."""
    path = place.root / "trials.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line.partition(" ")[2] for line in lines]


def load(database: Any) -> Study:
    return study.load(database, "s", SPACE, ["minimize"], settings(), IDENTITY)


@pytest.mark.slow
def test_two_machines_make_one_study_and_one_of_them_confirms(
    address: str, start: Start, tmp_path: Path
) -> None:
    places = machines(tmp_path, 2)
    tuners = [start(place, **{storage.ADDRESS: address}) for place in places]
    assert end(*tuners) == [0, 0], [place.said[-2000:] for place in places]
    done = trials(address)
    assert len(done) == len(settled(done)) == NUM_TRIALS
    assert {trial.state for trial in done} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert [trial.params for trial in done].count(done[0].params) == 1
    assert sorted(confirmed(*places)) == [False, True]
    assert all(begun(place) for place in places)


@pytest.mark.slow
def test_killed_machine_loses_no_trial(address: str, start: Start, tmp_path: Path) -> None:
    """kill -9 during a trial: the other machine runs it, with its number and parameters."""
    places = machines(tmp_path, 2)
    slow = {storage.ADDRESS: address, "SECONDS_PER_STEP": "0.3"}
    victim, other = (start(place, **slow) for place in places)
    wait_for(lambda: all(begun(place) for place in places))
    wait_for(lambda: len(settled(trials(address))) >= 2, pause=0.3)
    num_begun = len(begun(places[0]))
    wait_for(lambda: len(begun(places[0])) > num_begun)
    victim.kill()
    victim.join()
    name = begun(places[0])[-1]
    wait_for(lambda: name in begun(places[1]), 120)
    assert end(other) == [0], places[1].said[-2000:]
    done = trials(address)
    assert len(settled(done)) == NUM_TRIALS
    (lost,) = (trial for trial in done if trial.state == TrialState.FAIL)
    (again,) = (trial for trial in done if trial.system_attrs.get("failed_trial") == lost.number)
    assert f"trial {lost.number}" == name
    assert again.params.items() >= lost.params.items()
    assert again.state in (TrialState.COMPLETE, TrialState.PRUNED)
    assert not [trial for trial in done if not trial.state.is_finished()]
    assert confirmed(*places) == [False, True]


@pytest.mark.slow
def test_server_that_stops_is_one_line_and_the_same_command_continues(
    server: Server, address: str, start: Start, tmp_path: Path
) -> None:
    (place,) = machines(tmp_path, 1)
    environment = {storage.ADDRESS: address, "SECONDS_PER_STEP": "0.2"}
    tuner = start(place, 5, **environment)
    wait_for(lambda: len(settled(trials(address))) >= 2, pause=0.3)
    server.stop()
    try:
        assert end(tuner) == [1]
    finally:
        server.start()
    (line,) = [line for line in place.said.splitlines() if "storage must answer" in line]
    assert "run the same command again" in line
    assert "Exception in thread" not in place.said
    assert 2 <= len(settled(trials(address))) < 5
    assert end(start(place, 5, **environment)) == [0], place.said[-2000:]
    assert len(settled(trials(address))) == 5


@pytest.mark.slow
def test_many_that_start_at_once_make_one_study(address: str, start: Start) -> None:
    """An empty database, six processes: tables, study and first trial are made once."""
    context = multiprocessing.get_context("forkserver")  # of `start`: it has imported all
    barrier, queue = context.Barrier(6), context.Queue()
    arguments = (barrier, queue, address)
    processes = [context.Process(target=_take_part, args=arguments) for _ in range(6)]
    for process in processes:
        process.start()
    numbers = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    done = trials(address)
    assert len(settled(done)) == len(done) == sum(numbers) == 23
    assert [trial.params for trial in done].count(SPACE.present) == 1


def _take_part(barrier: Any, queue: Any, address: str) -> None:
    barrier.wait(60)
    shared = load(storage.open_storage(settings(storage=address), "s"))
    number = 0
    while trial := shared.ask(23):
        shared.tell(trial, TrialState.COMPLETE, [value_of(trial)], {"genlab.settings": {}})
        number += 1
    queue.put(number)


@pytest.mark.slow
def test_grid_on_many_machines_has_each_point_once(
    address: str, start: Start, tmp_path: Path
) -> None:
    space = {"learning_rate": {"choices": [1e-3, 2e-3]}, "kl_weight": {"choices": [1.0, 2.0, 3.0]}}
    search = {"sampler": "grid"}
    places = machines(tmp_path, 2, search=search, tune=tw.with_tune(space=space))
    assert end(*[start(place, 100, **{storage.ADDRESS: address}) for place in places]) == [0, 0]
    done = trials(address)
    assert len(done) == len({str(sorted(trial.params.items())) for trial in done}) == 6
    assert sorted(confirmed(*places)) == [False, True]


def test_optuna_opens_the_study(address: str) -> None:
    """What `optuna-dashboard` does: by the address alone."""
    with opened(address) as database:
        shared = load(database)
        trial = shared.ask(1)
        assert trial is not None
        shared.tell(trial, TrialState.COMPLETE, [1.0], {"genlab.settings": {}})
    database = optuna.storages.RDBStorage(address.replace("postgresql:", "postgresql+psycopg:"))
    try:
        seen = optuna.load_study(study_name="s", storage=database)
        assert [trial.params for trial in seen.trials] == [SPACE.present]
    finally:
        database.remove_session()
        database.engine.dispose()
