"""Many machines on one study: a real PostgreSQL server, and tuners that share nothing but its address."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
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
from tuning_workspace import Place, wait_for

from genlab.tune import storage, study
from genlab.tune.study import settled

STUDY = "vae-digits"
NUM_TRIALS = 10
SHARED = {"heartbeat_seconds": 1}
pytestmark = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning", "ignore:Heartbeat of storage is supposed"
)


class Server:
    """A PostgreSQL server in a folder of its own, on the loopback interface alone."""

    def __init__(self, binaries: Path, folder: Path):
        self._binaries, self._folder = binaries, folder
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self._as:
            shutil.chown(folder, "postgres")
        self._run(
            "initdb",
            "-D",
            str(folder / "data"),
            "-A",
            "trust",
            "-U",
            "genlab",
            "--no-sync",
            "-E",
            "UTF8",
        )
        self._databases = 0

    def _run(self, name: str, *arguments: str) -> None:
        command = [*self._as, str(self._binaries / name), *arguments]
        with (self._folder.parent / "postgres.log").open("ab") as log:
            subprocess.run(
                command, cwd=self._folder, stdout=log, stderr=log, check=True, timeout=120
            )

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self._folder}"
        self._run(
            "pg_ctl",
            "-D",
            str(self._folder / "data"),
            "-w",
            "-t",
            "60",
            "-l",
            "/dev/null",
            "-o",
            options,
            "start",
        )

    def stop(self) -> None:
        """Stops it at once; who asks it then is not answered."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")

    def database(self) -> str:
        """Returns the address of a new, empty database."""
        self._databases += 1
        name = f"studies{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "genlab", name)
        return f"postgresql://genlab.127.0.0.1:{self.port}/{name}"


def _binaries() -> Path | None:
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    return next((folder for folder in sorted(folders) if (folder / "createdb").is_file()), None)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Returns a running server, stopped at the end."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    pytest.importorskip("psycopg")
    folder = Path(
        tempfile.mkdtemp()
    )  # below pytest's own, which is closed to others, `postgres` could not read it
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
    found = server.database()
    monkeypatch.setenv(storage.ADDRESS, found)
    return found


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., BaseProcess]]:
    """Returns a function that starts a tuner whose trials take no time."""
    context = multiprocessing.get_context("forkserver")
    paths = [
        str(tw.ROOT / "src"),
        str(Path(__file__).parents[1] / "helpers"),
        os.environ.get("PYTHONPATH", ""),
    ]
    started: list[BaseProcess] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        context.set_forkserver_preload(["tuning_fake"])

        def start(place: Place, num_trials: int = NUM_TRIALS, **environment: str) -> BaseProcess:
            import tuning_fake

            environment |= {
                "DVC_ROOT": str(place.root),
                "MLFLOW_TRACKING_URI": f"sqlite:///{place.root}/mlflow.db",
            }
            data = (str(tw.data() / "images"), str(tw.data() / "features"))
            started.append(
                context.Process(
                    target=tuning_fake.tuner, args=(str(place.root), *data, num_trials, environment)
                )
            )
            started[-1].start()
            return started[-1]

        yield start
    for each in started:
        each.kill()
        each.join()


Start = Callable[..., BaseProcess]


def trials(address: str) -> list[FrozenTrial]:
    """Returns the trials in the database."""
    with opened(address) as found:
        studies = found.get_all_studies()
        return found.get_all_trials(studies[0]._study_id) if studies else []


@contextmanager
def opened(address: str) -> Iterator[optuna.storages.RDBStorage]:
    """Opens the database as a tuner does, and closes it."""
    found = storage.open_storage(settings(storage=address), STUDY)
    assert isinstance(found, optuna.storages.RDBStorage)
    try:
        yield found
    finally:
        found.remove_session()
        found.engine.dispose()


def end(*tuners: BaseProcess) -> list[int | None]:
    """Waits for the end of tuners; returns their exit statuses."""
    for each in tuners:
        each.join(120)
    return [each.exitcode for each in tuners]


def confirmed(*places: Place) -> list[bool]:
    return [(place.root / "out" / "best_params.yaml").is_file() for place in places]


def machines(folder: Path, number: int, **search: int) -> list[Place]:
    """Returns roots that share nothing."""
    return [Place(folder / f"machine{index}", search=SHARED | search) for index in range(number)]


def test_two_machines_make_one_study_and_one_of_them_confirms(
    server: Server, address: str, start: Start, tmp_path: Path
) -> None:
    places = machines(tmp_path, 2)
    tuners = [start(place, **{storage.ADDRESS: address}) for place in places]
    assert end(*tuners) == [0, 0], [place.said[-2000:] for place in places]
    found = trials(address)
    assert len(found) == len(settled(found)) == NUM_TRIALS
    assert {trial.state for trial in found} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert [trial.params for trial in found].count(found[0].params) == 1
    assert sorted(confirmed(*places)) == [False, True]
    done = [(place.root / "trials.txt").read_text().count("trial") for place in places]
    assert min(done) >= 1


def test_killed_machine_loses_no_trial(
    server: Server, address: str, start: Start, tmp_path: Path
) -> None:
    """kill -9 in the middle of a trial: the trial comes back, with its number and parameters, and the other runs it."""
    places = machines(tmp_path, 2)
    slow = {storage.ADDRESS: address, "SECONDS_PER_STEP": "0.3"}
    victim = start(places[0], **slow)
    wait_for(lambda: (places[0].root / "trials.txt").is_file())
    other = start(places[1], **slow)
    wait_for(lambda: (places[1].root / "trials.txt").is_file())
    wait_for(lambda: len(settled(trials(address))) >= 2, pause=0.3)
    assert victim.pid is not None
    begun = (places[0].root / "trials.txt").read_text().splitlines()
    wait_for(lambda: (places[0].root / "trials.txt").read_text().splitlines() != begun)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    killed_at = time.monotonic()
    name = (places[0].root / "trials.txt").read_text().splitlines()[-1].split(" ", 1)[1]
    print(f"killed machine 0 in {name}; {len(settled(trials(address)))} trials over")
    wait_for(lambda: f" {name}\n" in (places[1].root / "trials.txt").read_text(), 120)
    print(f"{name} came back to machine 1 after {time.monotonic() - killed_at:.1f} s")
    assert end(other) == [0], places[1].said[-2000:]
    found = trials(address)
    assert len(settled(found)) == NUM_TRIALS
    (lost,) = (trial for trial in found if trial.state == TrialState.FAIL)
    (again,) = (trial for trial in found if trial.system_attrs.get("failed_trial") == lost.number)
    assert again.params.items() >= lost.params.items()
    assert again.state in (TrialState.COMPLETE, TrialState.PRUNED)
    assert f"trial {lost.number}" == name
    assert not [trial for trial in found if trial.state in (TrialState.RUNNING, TrialState.WAITING)]
    assert confirmed(*places) == [False, True]
    for trial in found:
        print(trial.number, trial.state.name, trial.system_attrs.get("retry_history", ""))


@pytest.mark.slow
def test_server_that_stops_is_one_line_and_the_same_command_goes_on(
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
    lines = [line for line in place.said.splitlines() if "storage must answer" in line]
    assert len(lines) == 1, place.said
    assert "the same command goes on" in lines[0]
    assert "Exception in thread" not in place.said
    assert 2 <= len(settled(trials(address))) < 5
    assert end(start(place, 5, **environment)) == [0], place.said[-2000:]
    assert len(settled(trials(address))) == 5


@pytest.mark.slow
def test_many_that_start_at_once_make_one_study(address: str, start: Start) -> None:
    """An empty database, six processes: the tables, the study and its first trial are made once."""
    context = multiprocessing.get_context("forkserver")  # of `start`: it has imported all
    barrier, queue = context.Barrier(6), context.Queue()
    processes = [
        context.Process(target=_take_part, args=(barrier, queue, address)) for _ in range(6)
    ]
    for each in processes:
        each.start()
    numbers = [queue.get(timeout=120) for _ in processes]
    for each in processes:
        each.join(60)
        assert each.exitcode == 0
    found = trials(address)
    assert len(settled(found)) == len(found) == 23
    assert [trial.params for trial in found].count(SPACE.present) == 1
    assert sum(numbers) == 23


def _take_part(barrier: Any, queue: Any, address: str) -> None:
    barrier.wait(60)
    search = settings(storage=address)
    found = study.load(
        storage.open_storage(search, "s"), "s", SPACE, ["minimize"], search, IDENTITY
    )
    number = 0
    while trial := found.ask(23):
        found.tell(trial, TrialState.COMPLETE, [value_of(trial)], {})
        number += 1
    queue.put(number)


@pytest.mark.slow
def test_grid_on_many_machines_has_each_point_once(
    server: Server, start: Start, tmp_path: Path
) -> None:
    address = server.database()
    space = {"learning_rate": {"choices": [1e-3, 2e-3]}, "kl_weight": {"choices": [1.0, 2.0, 3.0]}}
    tune = tw.values()["tune"]
    places = [
        Place(
            tmp_path / f"machine{index}",
            search=SHARED | {"sampler": "grid"},  # type: ignore[dict-item]
            tune=tune | {"vae": tune["vae"] | {"space": space}},
        )
        for index in range(2)
    ]
    assert end(*[start(place, 100, **{storage.ADDRESS: address}) for place in places]) == [0, 0]
    found = trials(address)
    assert len(found) == len({str(sorted(trial.params.items())) for trial in found}) == 6
    assert sorted(confirmed(*places)) == [False, True]


def test_optuna_opens_the_study(address: str) -> None:
    """What `optuna-dashboard` does: by the address alone."""
    with opened(address) as database:
        found = study.load(database, "s", SPACE, ["minimize"], settings(), IDENTITY)
        trial = found.ask(1)
        assert trial is not None
        found.tell(trial, TrialState.COMPLETE, [1.0], {})
    database = optuna.storages.RDBStorage(address.replace("postgresql:", "postgresql+psycopg:"))
    try:
        seen = optuna.load_study(study_name="s", storage=database)
        assert [each.params for each in seen.trials] == [SPACE.present]
    finally:
        database.remove_session()
        database.engine.dispose()
