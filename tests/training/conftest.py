"""One data set for all trainings, and each kind trained once."""

from collections.abc import Iterator
from pathlib import Path

import keras
import pytest
from fixtures_models import Finished, Recorder, fixture_chapters, tiny_job, tiny_spec, write_dataset

from genlab import training


@pytest.fixture(autouse=True)
def _float32() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def chapters() -> Iterator[None]:
    """Adds the chapters of the tests to those of the package."""
    with fixture_chapters():
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), fields=tuple(tiny_spec()))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the repository's root as seen by one test: no checkpoint or result is there."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Returns a function that trains a kind once, uninterrupted: its result, and what it said."""
    results: dict[str, tuple[Path, Recorder]] = {}

    def train(kind: str) -> tuple[Path, Recorder]:
        if kind not in results:
            with pytest.MonkeyPatch.context() as patch, fixture_chapters():
                patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp(kind)))
                recorder, job = Recorder(), tiny_job(data, kind)
                training.fit(job, recorder)
                results[kind] = job.folder / "result", recorder
        return results[kind]

    return train
