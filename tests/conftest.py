"""What several test files need: parameters, a clean folder, a local HTTP server, real MNIST."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from file_server import FileServer

from genlab.settings.params import Params, build_section, read_yaml

ROOT = Path(__file__).parents[1]
MIRROR = os.environ.get(
    "GENLAB_DATA_MIRROR", ROOT / "../shared/datasets"
)  # read before a test clears it


def pytest_configure() -> None:
    """Makes Ctrl-C work for tests in the background; a shell makes such processes ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """Turns a skip into a failure with `GENLAB_REQUIRE_ALL=1`, as in CI."""
    report = yield
    if (
        report.skipped
        and os.environ.get("GENLAB_REQUIRE_ALL") == "1"
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"GENLAB_REQUIRE_ALL=1 forbids skipping {item.nodeid}: {report.longrepr}"
    return report


@pytest.fixture
def params() -> Params:
    """Returns the repository's own `params.yaml` without overlays and models."""
    values = {"models": {"any": {"kind": "any"}}, **read_yaml(ROOT / "params.yaml")}
    return build_section(Params, {key: values[key] for key in Params.model_fields}, "params.yaml: ")


@pytest.fixture
def change_data(params: Params) -> Callable[..., Params]:
    """Returns a function that gives the parameters with other values in the section `data`."""
    return lambda **values: params.model_copy(
        update={"data": params.data.model_copy(update=values)}
    )


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Moves into an empty folder, with no mirror and no DVC around."""
    for name in ("DVC_ROOT", "GENLAB_DATA_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def mnist_mirror() -> str:
    """Returns the mirror that holds the four original archives of MNIST."""
    mirror = Path(MIRROR)
    if not (mirror / "mnist" / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip(
            "needs the MNIST archives: set GENLAB_DATA_MIRROR to a folder that has them in mnist/"
        )
    return str(mirror.resolve())


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Returns a running HTTP server on the loopback interface."""
    with FileServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.go_on.set()
        running.shutdown()
        thread.join()
