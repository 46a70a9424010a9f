"""Fetches files: from the user's mirror first, then from public addresses, each checked by its sum.

A file gets its name only when its sum is right, so a download changes no result. A source that
fails is passed over; without a network the error comes within seconds.
"""

import gzip
import hashlib
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from filelock import FileLock

from genlab.runtime import progress
from genlab.runtime.addresses import shown
from genlab.runtime.errors import InputError
from genlab.runtime.files import DAMAGED

MIRROR = "GENLAB_DATA_MIRROR"
ATTEMPTS = 3  # per address, if another attempt may help
BACKOFF_SECONDS = 0.5  # before the second attempt; doubles
CONNECT_SECONDS = 4.0
READ_SECONDS = 30.0  # without a single byte
CHUNK_BYTES = 1 << 16
OTHER_DATA = "or set data.name: digits in params.yaml, which needs no download"


class RemoteFile(NamedTuple):
    """A file, its sums, and where it is.

    Attributes:
        name: Its name.
        addresses: Public ones; the first that works is used.
        checksum: `"sha256:..."` of the file.
        content: The same of what a gzip archive holds, or empty. An archive that was packed again
            has another header, and is as good.
    """

    name: str
    addresses: tuple[str, ...]
    checksum: str
    content: str = ""


def fetch(
    dataset: str, files: Sequence[RemoteFile], directory: Path, remedy: str = OTHER_DATA
) -> None:
    """Downloads the files that `directory` lacks or that have a wrong sum there.

    Args:
        dataset: Its name, a folder of the mirror.
        files: What is needed.
        directory: Where the files are kept. Of two processes the second waits and uses the result.
        remedy: What else the user can do without them, for the error.

    Raises:
        InputError: No source has the file with the right sum; the message lists the sources.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / ".lock"):
        wanted = [file for file in files if _fault(directory / file.name, file)]
        sources = {file: list(_sources(dataset, file)) for file in wanted}
        probe = _Probe(source for group in sources.values() for source in group)
        for file in wanted:
            tried = _fetch_file(file, sources[file], directory / file.name, probe)
            if tried:
                raise InputError(
                    f"{file.name} of {dataset} must be available from one source at least",
                    "; ".join(tried),
                    f"Check the network, or set {MIRROR} to a folder or an http(s) address that "
                    f"holds {dataset}/{file.name}, {remedy}",
                )


def _sources(dataset: str, file: RemoteFile) -> Iterator[str]:
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    if "://" in mirror and not _is_address(mirror):
        raise InputError(
            f"{MIRROR} must be a folder or an http(s) address", repr(mirror), f"Change {MIRROR}"
        )
    if mirror:
        folder = mirror if _is_address(mirror) else str(Path(mirror).expanduser())
        yield f"{folder}/{dataset}/{file.name}"
        yield f"{folder}/{file.name}"
    yield from file.addresses


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _fetch_file(file: RemoteFile, sources: list[str], path: Path, probe: "_Probe") -> list[str]:
    """Returns nothing when the file has arrived, else each source with what is wrong with it."""
    partial = path.with_name(f".{path.name}.partial")
    tried = [f"{path} ({_fault(path, file)})"] if path.exists() else []
    for source in sources:
        fault = _copy(source, partial, probe) or _fault(partial, file)
        if not fault:
            partial.replace(path)
            return []
        partial.unlink(missing_ok=True)
        tried.append(f"{shown(source)} ({fault})")
    return tried


def _fault(path: Path, file: RemoteFile) -> str:
    """Returns what is wrong with a file: both sums, or nothing."""
    import pooch

    if not path.is_file():
        return "no such file"
    algorithm, expected = file.checksum.split(":")
    received = pooch.file_hash(str(path), alg=algorithm)
    if received == expected or (file.content and _content_sum(path) == file.content):
        return ""
    return f"{algorithm} must be {expected}, received {received}"


def _content_sum(path: Path) -> str:
    """Returns the sum of what a gzip archive holds, or nothing if it is none or damaged."""
    try:
        with gzip.open(path) as content:
            return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
    except DAMAGED:
        return ""


def _copy(source: str, partial: Path, probe: "_Probe") -> str:
    """Copies or downloads one file; returns why that failed, or nothing."""
    if _is_address(source):
        return _download(source, partial) if probe.answers(source) else "no answer"
    try:
        shutil.copyfile(source, partial)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return error.strerror or "not readable"
    return ""


def _download(address: str, partial: Path) -> str:
    """Downloads one file, again if that may help; returns why it failed, or nothing."""
    progress.note(f"fetch: {shown(address)}")
    for attempt in range(ATTEMPTS):
        time.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) if attempt else 0)
        fault, may_pass = _attempt(address, partial)
        if not may_pass:
            break
    return fault


def _attempt(address: str, partial: Path) -> tuple[str, bool]:
    """Returns why one attempt failed, or nothing, and whether another one may succeed."""
    import requests
    from pooch import HTTPDownloader

    download = HTTPDownloader(
        progressbar=sys.stderr.isatty() and not os.environ.get(progress.QUIET),
        chunk_size=CHUNK_BYTES,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
    )
    try:
        download(address, str(partial), None)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        return f"HTTP status {status}", status >= 500 or status == 429
    except requests.Timeout:
        return "no answer", False
    except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError):
        return "the connection broke", True
    except requests.RequestException as error:
        return type(error).__name__, False
    return "", False


class _Probe:
    """Finds out for all hosts at once which accept connections: dead ones cost seconds together."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._deadline = time.monotonic() + CONNECT_SECONDS
        self._reached: set[tuple[str, int]] = set()
        self._threads: dict[tuple[str, int], threading.Thread] = {}
        for host in {_host(source) for source in sources if _is_address(source)}:
            thread = threading.Thread(target=self._connect, args=(host,), daemon=True)
            thread.start()
            self._threads[host] = thread

    def _connect(self, host: tuple[str, int]) -> None:
        try:
            socket.create_connection(host, timeout=CONNECT_SECONDS).close()
        except OSError:
            return
        self._reached.add(host)

    def answers(self, address: str) -> bool:
        """Returns whether the host accepts connections; waits at most until the deadline."""
        import requests

        if requests.utils.get_environ_proxies(address):
            return True  # only the proxy can know
        host = _host(address)
        self._threads[host].join(max(0.0, self._deadline - time.monotonic()))
        return host in self._reached


def _host(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
