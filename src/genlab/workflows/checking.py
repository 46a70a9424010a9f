"""What can be known before a stage runs: names, keys and values, the user's folder, the tracker.

The settings of models and metrics are checked by the chapters themselves, whose import takes
seconds. So a file that was found right is remembered, as long as it and the code stay.
"""

import hashlib
import os
import warnings
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import ReusedAnchorWarning, YAMLError

from genlab.data import picture_files
from genlab.runtime import workspace
from genlab.runtime.errors import InputError
from genlab.runtime.files import replacing
from genlab.runtime.native_output import import_tensorflow
from genlab.settings import params as parameters
from genlab.settings import plugins
from genlab.settings.code import PACKAGE
from genlab.settings.params import Params, build_section
from genlab.tracking import looking, store

MAX_STAMPS = 20


def check(path: Path, data_name: str | None = None, profile: str | None = None) -> Params:
    """Returns the parameters, if everything that can be known of a run is right.

    Args:
        path: `params.yaml`.
        data_name: In place of the file's `data.name`.
        profile: In place of the file's `profile`.

    Raises:
        InputError: The first fault.
    """
    _check_anchors(path)
    params = parameters.load(path, data_name, profile)
    plugins.check("datasets", params.data.name, f"{path}: data.name")
    for name, entry in params.models.items():
        plugins.check("models", str(entry.get("kind")), f"{path}: models.{name}.kind")
    _check_directory(params.data.directory)
    looking.check_form(store.present_uri())
    stamp = _stamp(path, params)
    if not stamp.is_file():
        _check_chapters(params, path)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        for old in sorted(stamp.parent.iterdir(), key=os.path.getmtime)[:-MAX_STAMPS]:
            old.unlink(missing_ok=True)
        with replacing(stamp) as building:
            building.write_text(f"{path}: {params.data.name}, {params.profile}\n")
    return params


def _check_anchors(path: Path) -> None:
    """Raises an InputError if an anchor is made twice: all but the YAML reader take the last."""
    if not path.is_file():
        return  # `load` says so
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReusedAnchorWarning)
        try:
            YAML(typ="safe", pure=True).compose(path)
        except ReusedAnchorWarning as error:
            received = " ".join(str(error).split())
            raise InputError(
                f"{path} must make each anchor once", received, f"See {path}"
            ) from None
        except (OSError, ValueError, YAMLError):
            return  # `load` says what else is wrong


def _check_directory(directory: str) -> None:
    """Raises an InputError if DVC, which watches the user's folder for every data set, fails."""
    if directory.startswith("~"):
        expected = "data.directory must be written without ~, which DVC does not expand"
        where = f"Write {Path(directory).expanduser()}. {picture_files.WHERE}"
        raise InputError(expected, directory, where)
    if not picture_files.located(directory).exists():
        where = f"Make it. {picture_files.WHERE}"
        raise InputError(f"{directory} must be there", "no such folder", where)
    picture_files.check(directory)


def _check_chapters(params: Params, path: Path) -> None:
    import_tensorflow()
    from genlab.evaluation import Panel, outliers

    for name, entry in params.models.items():
        where = f"{path}: models.{name}"
        chapter = plugins.find("models", str(entry["kind"]), f"{where}.kind")
        build_section(chapter.Settings, entry, where)
    Panel(params.evaluation.metrics, f"{path}: evaluation.metrics")
    if strange := params.evaluation.outliers.data:
        outliers.check(strange, f"{path}: evaluation.outliers.data")


def _stamp(path: Path, params: Params) -> Path:
    """Returns the file that says: these parameters are right for this code."""
    facts = hashlib.sha256(path.read_bytes() + params.model_dump_json().encode())
    for source in sorted(PACKAGE.rglob("*.py")):
        status = source.stat()
        facts.update(f"{source} {status.st_mtime_ns} {status.st_size}\n".encode())
    return workspace.state("checked", facts.hexdigest()[:32])
