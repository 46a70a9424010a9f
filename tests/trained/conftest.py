"""Models with random weights, as training writes them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fixtures_models import all_kinds, fixture_chapters, tiny_model, write_trained_model

from genlab.contract.capabilities import Encodes
from genlab.numerics import density

SHAPE = (8, 6, 3)


@pytest.fixture(scope="module", autouse=True)
def _chapters() -> Iterator[None]:
    with fixture_chapters():
        yield


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Returns the folder of a model of each kind; a density is fitted where one encodes."""
    root = tmp_path_factory.mktemp("models")
    mixture = density.fit(np.random.default_rng(0).normal(size=(60, 3)), 2, seed=0)
    with fixture_chapters():
        for kind in all_kinds():
            model = tiny_model(kind, SHAPE)
            folder = write_trained_model(root / kind, model, kind, SHAPE)
            if isinstance(model, Encodes):
                mixture.write(folder / "density.npz")
    return {kind: root / kind for kind in all_kinds()}
