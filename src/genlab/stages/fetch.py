"""Stage `fetch`: the files of a data set, checked by their sums; the splits as arrays."""

from pathlib import Path

from genlab.data import splits
from genlab.runtime import downloads, workspace
from genlab.runtime.files import check_free
from genlab.settings import plugins, seeds
from genlab.settings.params import Params


def run(params: Params, out: Path) -> None:
    """Writes the data set that `params.data` names.

    Args:
        params: `data` and `seed` are used.
        out: The folder; it appears, or is replaced, only when it is complete.

    Raises:
        InputError: The data set is unknown, a file is not available, its content is broken, or
            `out` holds something else.
    """
    check_free(out, splits.KIND)
    name = params.data.name
    dataset = plugins.find("datasets", name, "params.yaml: data.name")
    directory = workspace.downloads(name)
    if dataset.FILES:
        downloads.fetch(name, dataset.FILES, directory)
    raw = dataset.read(directory, params.data, seeds.derive(params.seed, "fetch", "test"))
    facts = {"licence": dataset.LICENCE, "citation": dataset.CITATION}
    splits.write(out, raw, params, facts)
