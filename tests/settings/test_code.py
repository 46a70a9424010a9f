"""What a result depends on: every module that it runs through, and none that changes no result."""

import shutil
import time
from pathlib import Path

import pytest

from genlab.settings import code

WITHOUT_EFFECT = ("runtime", "report", "tracking", "cli", "pages", "tune", "doctor", "stages")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns a copy of the package, to edit."""
    ignored = shutil.ignore_patterns("__pycache__", "*.h5")
    copied = shutil.copytree(code.PACKAGE, tmp_path / "genlab", ignore=ignored)
    monkeypatch.setattr(code, "PACKAGE", copied)
    return copied


def digest() -> str:
    return code.digest("training", "models.vae")


def edit(path: Path, text: str = "# A comment.\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + (path.read_text() if path.exists() else ""))


def test_training_depends_on_every_module_that_it_runs_through(package: Path) -> None:
    names = {path.relative_to(package).as_posix() for path in code.files("training", "models.vae")}
    assert names >= {
        "training/engine.py",
        "models/vae.py",
        "networks/trunks.py",
        "numerics/density.py",
        "settings/params.py",
        "features/classifier.py",
        "features/judges.py",
    }
    assert not names & {"models/gan.py", "models/autoencoder.py", "metrics/memorisation.py"}
    before = digest()
    for name in sorted(names):
        edit(package / name)
        after = digest()
        assert after != before, name
        before = after


def test_training_does_not_depend_on_what_changes_no_result(package: Path) -> None:
    before = digest()
    for room in WITHOUT_EFFECT:
        for path in (package / room).rglob("*.py"):
            edit(path)
    edit(package / "__init__.py")
    edit(package / "api.py")
    edit(package / "models" / "gan.py")
    assert digest() == before


@pytest.mark.parametrize(
    "statement",
    [
        "from genlab.networks import extra",
        "from genlab.networks.extra import loss",
        "from genlab.networks import (\n    trunks,\n    extra as losses,\n)",
        "import genlab.networks.extra",
        "import os, genlab.networks.extra as losses",
        "def later() -> None:\n    from genlab.networks.extra import loss",
        "if TYPE_CHECKING:\n    from genlab.networks.extra import Loss",
        "from genlab.losses import adversarial",
        "import genlab.losses.adversarial",
    ],
)
def test_new_module_that_a_chapter_imports_counts(package: Path, statement: str) -> None:
    """The old list was kept by hand: such a module made training stale, and left the key equal."""
    edit(package / "networks" / "extra.py")
    edit(package / "losses" / "adversarial.py", "")
    edit(package / "losses" / "__init__.py", "from genlab.networks import extra\n")
    vae = package / "models" / "vae.py"
    edit(vae, vae.read_text() + statement + "\n")
    before = digest()
    edit(package / "networks" / "extra.py")
    assert digest() != before


def test_chapter_that_imports_another_chapter_depends_on_it(package: Path) -> None:
    edit(package / "models" / "beta_vae.py", "from genlab.models.vae import VAE\n")
    for path in (package / "models" / "vae.py", package / "networks" / "trunks.py"):
        before = code.digest("models.beta_vae")
        edit(path)
        assert code.digest("models.beta_vae") != before


def test_other_libraries_and_unknown_names_are_no_files(package: Path) -> None:
    edit(package / "losses.py", "import keras.losses\nimport genlab\nfrom genlab import nothing\n")
    assert code.files("losses") == [package / "losses.py"]


def test_circle_of_imports_ends(package: Path) -> None:
    edit(package / "one.py", "from genlab import other\n")
    edit(package / "other.py", "from genlab import one\n")
    assert code.files("one") == code.files("other") == [package / "one.py", package / "other.py"]


def test_digest_takes_little_time() -> None:
    digest()
    start = time.process_time()
    digest()
    assert time.process_time() - start < 0.05
    code._imported.cache_clear()
    start = time.process_time()
    digest()
    assert time.process_time() - start < 0.5  # 0.07 s on a quiet machine
