"""Downloads from a real local HTTP server: mirrors, sums, retries, and what a failure leaves."""

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from file_server import FileServer

from genlab.runtime import downloads
from genlab.runtime.downloads import RemoteFile
from genlab.runtime.errors import InputError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[::-1]
OTHER_SUM = hashlib.sha256(OTHER).hexdigest()
MISMATCH = f"sha256 must be {SUM.removeprefix('sha256:')}, received {OTHER_SUM}"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0.01)


def fetch_from(*addresses: str, checksum: str = SUM) -> bytes:
    downloads.fetch("letters", [RemoteFile("letters.gz", addresses, checksum)], Path("kept"))
    return Path("kept/letters.gz").read_bytes()


def fetch(server: FileServer, *folders: str, checksum: str = SUM) -> bytes:
    addresses = (f"{server.address}/{folder}/letters.gz" for folder in folders)
    return fetch_from(*addresses, checksum=checksum)


def refusal(*addresses: str) -> InputError:
    with pytest.raises(InputError) as caught:
        fetch_from(*addresses)
    return caught.value


def visible(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.name != ".lock")


def dead_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/letters.gz"


def test_good_download_is_kept_and_not_fetched_again(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    md5 = "md5:" + hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    for checksum in (SUM, SUM, md5):
        assert fetch(server, "a", checksum=checksum) == CONTENT
    assert server.requests == ["/a/letters.gz"]
    assert visible("kept") == ["letters.gz"]


def test_wrong_sum_means_the_next_address(server: FileServer) -> None:
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
    ("failures", "reason"),
    [
        ([404], "HTTP status 404"),
        ([500] * 3, "HTTP status 500"),
        (["cut"] * 3, "the connection broke"),
    ],
)
def test_lasting_trouble_means_the_next_address(
    server: FileServer, failures: list[int | str], reason: str
) -> None:
    server.files.update({"/a/letters.gz": CONTENT, "/b/letters.gz": CONTENT})
    server.failures["/a/letters.gz"] = list(failures)
    assert fetch(server, "a", "b") == CONTENT
    assert server.requests == ["/a/letters.gz"] * len(failures) + ["/b/letters.gz"]
    Path("kept/letters.gz").unlink()
    server.failures["/a/letters.gz"] = list(failures)
    address = f"{server.address}/a/letters.gz"
    assert refusal(address).received == f"{address} ({reason})"
    assert visible("kept") == []


def test_error_names_every_source_and_what_to_do(server: FileServer) -> None:
    server.files["/a/letters.gz"] = OTHER
    Path("kept").mkdir()
    Path("kept/letters.gz").write_bytes(OTHER)
    address = f"{server.address}/a/letters.gz"
    error = refusal(address)
    assert error.received == f"kept/letters.gz ({MISMATCH}); {address} ({MISMATCH})"
    assert "letters.gz of letters" in error.expected
    for way in ("GENLAB_DATA_MIRROR", "letters/letters.gz", "data.name: digits"):
        assert way in error.where


def test_no_network_is_noticed_within_seconds() -> None:
    addresses = (dead_address(), "https://genlab.invalid/letters.gz")
    start = time.monotonic()
    error = refusal(*addresses)
    assert time.monotonic() - start < downloads.CONNECT_SECONDS + 2
    assert error.received == "; ".join(f"{address} (no answer)" for address in addresses)


def test_dead_address_is_passed_over(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    assert fetch_from(dead_address(), f"{server.address}/a/letters.gz") == CONTENT


@pytest.mark.parametrize("place", ["letters/letters.gz", "letters.gz"])
@pytest.mark.parametrize("kind", ["folder", "address"])
def test_mirror_comes_first(
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


def test_mirror_may_be_wrong_but_not_of_another_kind(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a/letters.gz"] = CONTENT
    Path("mirror").mkdir()
    Path("mirror/letters.gz").write_bytes(OTHER)
    monkeypatch.setenv("GENLAB_DATA_MIRROR", "mirror")
    assert fetch(server, "a") == CONTENT
    Path("kept/letters.gz").unlink()
    monkeypatch.setenv("GENLAB_DATA_MIRROR", "ftp://somewhere")
    error = refusal(f"{server.address}/a/letters.gz")
    assert error.expected == "GENLAB_DATA_MIRROR must be a folder or an http(s) address"
    assert error.received == "'ftp://somewhere'"


def test_damaged_file_is_fetched_again(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    fetch(server, "a")
    Path("kept/letters.gz").write_bytes(CONTENT[:1000])
    assert fetch(server, "a") == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("packed", "is_good"),
    [
        (gzip.compress(CONTENT, 1, mtime=1), True),
        (gzip.compress(CONTENT, 9) + b"", True),
        (gzip.compress(OTHER), False),
        (gzip.compress(CONTENT)[:-9], False),
        (CONTENT, False),
    ],
)
def test_archive_that_was_packed_again_is_known_by_its_content(
    server: FileServer, packed: bytes, is_good: bool
) -> None:
    server.files["/a/letters.gz"] = packed
    wrong = f"sha256:{OTHER_SUM}"
    file = RemoteFile("letters.gz", (f"{server.address}/a/letters.gz",), wrong, SUM)
    if is_good:
        downloads.fetch("letters", [file], Path("kept"))
        assert Path("kept/letters.gz").read_bytes() == packed
        downloads.fetch("letters", [file._replace(addresses=())], Path("kept"))
        return
    with pytest.raises(InputError) as caught:
        downloads.fetch("letters", [file], Path("kept"))
    assert f"sha256 must be {OTHER_SUM}, received" in caught.value.received


def test_two_at_once_download_once(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    threads = [threading.Thread(target=fetch, args=(server, "a")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == ["/a/letters.gz"]


def test_killed_download_leaves_no_file_and_the_next_one_works(server: FileServer) -> None:
    server.files["/a/letters.gz"] = CONTENT
    server.failures["/a/letters.gz"] = ["stall"]
    code = f"""
from pathlib import Path
from genlab.runtime import downloads
file = downloads.RemoteFile("letters.gz", ("{server.address}/a/letters.gz",), "{SUM}")
downloads.fetch("letters", [file], Path("kept"))
"""
    source = str(Path(downloads.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        assert server.stalling.wait(30)
        process.kill()
    assert not Path("kept/letters.gz").exists()
    assert fetch(server, "a") == CONTENT
    assert visible("kept") == ["letters.gz"]
