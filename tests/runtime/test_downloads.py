"""Downloads against a real local HTTP server: mirrors, sums, retries, and what is left when they fail."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import FileServer
from genlab.data.declaration import RemoteFile, remote_files
from genlab.runtime import downloads
from genlab.runtime.errors import InputError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[::-1]
OTHER_SUM = hashlib.sha256(OTHER).hexdigest()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0.01)


def fetch(server: FileServer, *mirrors: str, checksum: str = SUM) -> bytes:
    addresses = tuple(f"{server.address}/{mirror}/letters.gz" for mirror in mirrors)
    downloads.fetch("letters", [RemoteFile("letters.gz", addresses, checksum)], Path("kept"))
    return Path("kept/letters.gz").read_bytes()


def visible(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.name != ".lock")


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_good_download_is_kept_and_not_fetched_again(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    assert fetch(server, "a") == CONTENT
    assert fetch(server, "a") == CONTENT
    assert server.requests == ["/a/letters.gz"]
    assert visible("kept") == ["letters.gz"]


def test_md5_sums_are_understood(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    assert (
        fetch(
            server, "a", checksum="md5:" + hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        )
        == CONTENT
    )


def test_wrong_sum_means_the_next_mirror(server: FileServer) -> None:
    server.files.update({"/a/letters.gz": OTHER, "/b/letters.gz": CONTENT})
    assert fetch(server, "a", "b") == CONTENT
    assert server.requests == ["/a/letters.gz", "/b/letters.gz"]


@pytest.mark.parametrize("failure", [500, 503, 429, "cut"])
def test_passing_trouble_is_tried_again(server: FileServer, failure: int | str) -> None:
    server.files["/a/letters.gz"] = CONTENT
    server.failures["/a/letters.gz"] = [failure, failure]
    assert fetch(server, "a") == CONTENT
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("failures", "requests", "reason"),
    [
        ([404], 1, "HTTP status 404"),
        ([500] * 3, 3, "HTTP status 500"),
        (["cut"] * 3, 3, "the connection broke"),
    ],
)
def test_lasting_trouble_means_the_next_mirror(
    server: FileServer, failures: list[int | str], requests: int, reason: str
) -> None:
    server.files.update({"/a/letters.gz": CONTENT, "/b/letters.gz": CONTENT})
    server.failures["/a/letters.gz"] = list(failures)
    assert fetch(server, "a", "b") == CONTENT
    assert server.requests == ["/a/letters.gz"] * requests + ["/b/letters.gz"]
    Path("kept/letters.gz").unlink()
    server.failures["/a/letters.gz"] = list(failures)
    with pytest.raises(InputError, match=reason):
        fetch(server, "a")
    assert visible("kept") == []


def test_wrong_sums_everywhere_are_one_line_with_both_sums(server: FileServer) -> None:
    server.files["/a/letters.gz"] = OTHER
    with pytest.raises(InputError) as caught:
        fetch(server, "a")
    assert str(caught.value) == (
        "letters.gz of letters must be had from one source at least. Tried: "
        f"{server.address}/a/letters.gz (sha256 must be {SUM.removeprefix('sha256:')}, received {OTHER_SUM}). "
        "Mend the network, or set GENLAB_DATA_MIRROR to a folder or an http(s) address that holds letters/letters.gz, "
        "or set data.name: digits in params.yaml, which needs no download."
    )
    assert visible("kept") == []


def test_no_network_and_no_mirror_is_said_within_seconds() -> None:
    addresses = (
        f"http://127.0.0.1:{closed_port()}/letters.gz",
        "https://genlab.invalid/letters.gz",
    )
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        downloads.fetch("letters", [RemoteFile("letters.gz", addresses, SUM)], Path("kept"))
    assert time.monotonic() - start < downloads.CONNECT_SECONDS + 2
    message = str(caught.value)
    assert "\n" not in message
    assert all(f"{address} (no answer)" in message for address in addresses)
    assert "letters.gz of letters" in message
    assert "GENLAB_DATA_MIRROR" in message
    assert "data.name: digits" in message


def test_a_dead_address_is_passed_over(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    addresses = (f"http://127.0.0.1:{closed_port()}/letters.gz", f"{server.address}/a/letters.gz")
    downloads.fetch("letters", [RemoteFile("letters.gz", addresses, SUM)], Path("kept"))
    assert Path("kept/letters.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["letters/letters.gz", "letters.gz"])
@pytest.mark.parametrize("kind", ["folder", "address"])
def test_the_mirror_comes_first(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, place: str, kind: str
) -> None:
    server.files.update({f"/mirror/{place}": CONTENT, "/a/letters.gz": OTHER})
    path = Path("mirror", place)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    mirror = str(Path("mirror").resolve()) if kind == "folder" else f"{server.address}/mirror"
    monkeypatch.setenv("GENLAB_DATA_MIRROR", mirror + "/")
    assert fetch(server, "a") == CONTENT
    assert "/a/letters.gz" not in server.requests


def test_a_mirror_with_the_wrong_file_is_passed_over(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a/letters.gz"] = CONTENT
    Path("mirror").mkdir()
    Path("mirror/letters.gz").write_bytes(OTHER)
    monkeypatch.setenv("GENLAB_DATA_MIRROR", "mirror")
    assert fetch(server, "a") == CONTENT


def test_a_mirror_of_another_kind_is_refused(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_DATA_MIRROR", "ftp://somewhere")
    with pytest.raises(
        InputError,
        match=r"^GENLAB_DATA_MIRROR must be a folder or an http\(s\) address\. Received:",
    ):
        fetch(server, "a")


def test_a_damaged_kept_file_is_fetched_again(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    fetch(server, "a")
    Path("kept/letters.gz").write_bytes(CONTENT[:1000])
    assert fetch(server, "a") == CONTENT
    assert len(server.requests) == 2


def test_a_damaged_kept_file_is_named_when_it_cannot_be_fetched_again(server: FileServer) -> None:
    Path("kept").mkdir()
    Path("kept/letters.gz").write_bytes(OTHER)
    with pytest.raises(
        InputError, match=rf"Tried: kept/letters\.gz \(sha256 must be \w+, received {OTHER_SUM}\)"
    ):
        fetch(server, "a")


def test_two_at_once_download_once(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    threads = [threading.Thread(target=fetch, args=(server, "a")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == ["/a/letters.gz"]


@pytest.fixture
def stalled(server: FileServer) -> Iterator[subprocess.Popen]:
    """Yields a process that is in the middle of a download."""
    server.files["/a/letters.gz"] = CONTENT
    server.failures["/a/letters.gz"] = ["stall"]
    code = (
        "from pathlib import Path; from genlab.runtime import downloads; from genlab.runtime.downloads import RemoteFile; "
        f"downloads.fetch('letters', [RemoteFile('letters.gz', ('{server.address}/a/letters.gz',), '{SUM}')], "
        "Path('kept'))"
    )
    source = str(Path(downloads.__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}
    )
    assert server.stalling.wait(30)
    yield process
    process.kill()
    process.wait()


def test_a_killed_download_leaves_no_file_and_the_next_one_works(
    server: FileServer, stalled: subprocess.Popen
) -> None:
    stalled.send_signal(signal.SIGKILL)
    stalled.wait()
    assert not Path("kept/letters.gz").exists()
    assert fetch(server, "a") == CONTENT
    assert visible("kept") == ["letters.gz"]


def test_remote_files_joins_mirrors_and_names() -> None:
    file = remote_files({"one.gz": "sha256:00"}, ["https://a/", "https://b/c/"])[0]
    assert file == ("one.gz", ("https://a/one.gz", "https://b/c/one.gz"), "sha256:00")
