"""No address shows a secret, whatever characters it has."""

import pytest

from genlab.runtime import addresses
from genlab.runtime.errors import InputError, one_line


@pytest.mark.parametrize(
    ("address", "shown", "is_clear"),
    [
        ("http://host:5000/a", "http://host:5000/a", True),
        ("http://me:s3cret@host:5000/a/", "http://host:5000/a/", True),
        ("http://s3cret@host", "http://host", True),
        ("http://me:a@s3cret@host/a", "http://host/a", True),
        ("postgresql://me:a@s3cret@host/a", "postgresql://host/a", False),
        ("postgresql+psycopg://me:s3cret@[::1]:5/a?b=c", "postgresql+psycopg://[::1]:5/a", True),
        ("postgresql://host/a?password=s3cret", "postgresql://host/a", True),
        ("postgresql:///a?password=s3cret&host=b", "postgresql:///a", True),
        ("http://me:a/s3cret@host", "http://***", False),
        ("http://me:a#s3cret@host", "http://***", False),
        ("http://me:a?s3cret@host", "http://***", False),
        ("me:s3cret@host:5000", "host:5000", True),
        ("localhost:5000", "localhost:5000", True),
        (
            "sqlite:////home/me@work/what%3F/mlflow.db",
            "sqlite:////home/me@work/what%3F/mlflow.db",
            True,
        ),
        ("file:///a@b", "file:///a@b", True),
        ("../store@2", "../store@2", True),
        ("s3://bucket/a", "s3://bucket/a", True),
        ("databricks", "databricks", True),
    ],
)
def test_address_as_people_see_it(address: str, shown: str, is_clear: bool) -> None:
    assert (addresses.shown(address), addresses.is_clear(address)) == (shown, is_clear)


@pytest.mark.parametrize("password", ["s3cret", "p@s3cret", "p%40s3cret", "s3cret/+"])
def test_texts_of_libraries_are_scrubbed(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    uri = f"http://me:{password}@host:5000"
    quoted = f"API request to http://me:{password.replace('@', '%40')}@host:5000/api failed"
    for text in (f"request to {uri}/api failed", quoted, f"'{password}' is wrong"):
        assert "s3cret" not in addresses.scrubbed(text, uri)
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", uri)
            assert "s3cret" not in one_line(OSError(text))
            assert "s3cret" not in str(InputError(text, text, text))


def test_secrets_of_the_environment_are_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cret")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "abc")
    assert addresses.scrubbed("Bearer s3cret of abc, abcd") == "Bearer *** of ***, abcd"
    assert addresses.scrubbed("none here") == "none here"
