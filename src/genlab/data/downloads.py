"""Fetches the files of a data set: the user's mirror first, then the public addresses, each checked by its sum.

A file gets its name only when its sum is right. Sources that fail are passed over; who is offline hears so in seconds.
"""

import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from genlab.data.declaration import RemoteFile
from genlab.runtime import progress
from genlab.runtime.errors import InputError

MIRROR = "GENLAB_DATA_MIRROR"
ATTEMPTS = 3  # per address, where trying again may help
BACKOFF_SECONDS = 0.5  # before the second attempt; doubles
CONNECT_SECONDS = 4.0
READ_SECONDS = 30.0  # without a single byte
CHUNK_BYTES = 1 << 16


OTHER_DATA = "or set data.name: digits in params.yaml, which needs no download"


def fetch(
    dataset: str, files: Sequence[RemoteFile], directory: Path, remedy: str = OTHER_DATA
) -> None:
    """Makes sure that `directory` holds the files, each with the right sum; those that it holds already are kept.

    Args:
        dataset: Its name, a folder of the mirror.
        files: What is needed.
        directory: Where the files are kept. Of two processes at once the second waits, then uses the result.
        remedy: What else helps who cannot have them, for the error.

    Raises:
        InputError: No source has the file with the right sum; the message lists what was tried.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / ".lock"):
        wanted = [file for file in files if _compare(directory / file.name, file.checksum)]
        sources = {file: list(_sources(dataset, file)) for file in wanted}
        probe = _Probe(
            [source for each in sources.values() for source in each if _is_address(source)]
        )
        for file in wanted:
            _fetch_file(dataset, file, sources[file], directory / file.name, probe, remedy)


def _sources(dataset: str, file: RemoteFile) -> Iterator[str]:
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    if "://" in mirror and not _is_address(mirror):
        raise InputError(
            f"{MIRROR} must be a folder or an http(s) address",
            f"{mirror!r}",
            "Set it anew",
        )
    if mirror:
        folder = mirror if _is_address(mirror) else str(Path(mirror).expanduser())
        yield f"{folder}/{dataset}/{file.name}"
        yield f"{folder}/{file.name}"
    yield from file.addresses


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _fetch_file(
    dataset: str, file: RemoteFile, sources: list[str], path: Path, probe: "_Probe", remedy: str
) -> None:
    partial = path.with_name(f".{path.name}.partial")
    tried = []
    if path.exists():
        tried.append(f"{path} ({_compare(path, file.checksum)})")
    for source in sources:
        reason = _try_source(source, partial, probe) or _compare(partial, file.checksum)
        if not reason:
            partial.replace(path)
            return
        partial.unlink(missing_ok=True)
        tried.append(f"{source} ({reason})")
    raise InputError(
        f"{file.name} of {dataset} must be had from one source at least",
        "; ".join(tried),
        f"Check the network, or set {MIRROR} to a folder or an http(s) address that holds "
        f"{dataset}/{file.name}, {remedy}",
    )


def _compare(path: Path, checksum: str) -> str:
    """Returns what is wrong with a file: nothing, or both sums."""
    import pooch

    if not path.is_file():
        return "no such file"
    algorithm, expected = checksum.split(":")
    received = pooch.file_hash(str(path), alg=algorithm)
    return "" if received == expected else f"{algorithm} must be {expected}, received {received}"


def _try_source(source: str, partial: Path, probe: "_Probe") -> str:
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
    """Downloads one file, again where that may help; returns why it failed, or nothing."""
    progress.note(f"fetch: {address}")
    for attempt in range(ATTEMPTS):
        reason, is_final = _attempt(address, partial)
        if not reason or is_final:
            break
        if attempt + 1 < ATTEMPTS:
            time.sleep(BACKOFF_SECONDS * 2**attempt)
    return reason


def _attempt(address: str, partial: Path) -> tuple[str, bool]:
    """Returns why one attempt failed, or nothing, and whether another one is of no use."""
    import requests
    from pooch import HTTPDownloader

    timeout = (CONNECT_SECONDS, READ_SECONDS)
    download = HTTPDownloader(
        progressbar=sys.stderr.isatty() and not os.environ.get(progress.QUIET),
        chunk_size=CHUNK_BYTES,
        timeout=timeout,
    )
    try:
        download(address, str(partial), None)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        return f"HTTP status {status}", status < 500 and status != 429
    except requests.Timeout:
        return "no answer", True
    except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError):
        return "the connection broke", False
    except requests.RequestException as error:
        return f"{type(error).__name__}", True
    return "", True


class _Probe:
    """Finds out, for all hosts at once, which accept connections, so that dead ones cost seconds together."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._deadline = time.monotonic() + CONNECT_SECONDS
        self._reached: set[tuple[str, int]] = set()
        self._threads: dict[tuple[str, int], threading.Thread] = {}
        for place in {_place(address) for address in addresses}:
            self._threads[place] = threading.Thread(
                target=self._connect, args=(place,), daemon=True
            )
            self._threads[place].start()

    def answers(self, address: str) -> bool:
        """Returns whether the host of an address accepts connections; waits for it until the common deadline."""
        import requests

        if requests.utils.get_environ_proxies(address):
            return True  # only the proxy can know
        place = _place(address)
        self._threads[place].join(max(0.0, self._deadline - time.monotonic()))
        return place in self._reached

    def _connect(self, place: tuple[str, int]) -> None:
        try:
            socket.create_connection(place, timeout=CONNECT_SECONDS).close()
        except OSError:
            return
        self._reached.add(place)


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
