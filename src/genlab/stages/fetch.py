"""Stage `fetch`: the files of a data set, checked by their sums; the splits as uint8 arrays."""

from pathlib import Path

from genlab.data import downloads
from genlab.data.splits import write
from genlab.runtime import workspace
from genlab.settings import plugins, seeds
from genlab.settings.params import Params


def run(params: Params, out: Path) -> None:
    """Writes the data set that `params.data` names.

    Args:
        params: `data` and `seed` are used.
        out: The folder to write; it appears, or is replaced, only when everything in it is complete.

    Raises:
        InputError: The data set is unknown, a file cannot be had, or its content is broken.
    """
    name = params.data.name
    dataset = plugins.find("datasets", name, "params.yaml: data.name")
    directory = workspace.downloads(name)
    if dataset.FILES:
        downloads.fetch(name, dataset.FILES, directory)
    splits = dataset.read(directory, params.data, seeds.derive(params.seed, "fetch", "test"))
    class_names = (
        dataset.read_class_names(params.data)
        if dataset.CLASS_NAMES is None
        else dataset.CLASS_NAMES
    )
    facts = {"licence": dataset.LICENCE, "citation": dataset.CITATION}
    write(out, splits, class_names, params, facts)
