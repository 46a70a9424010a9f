"""A folder of pictures, and a local HTTP server that can fail."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image


def write_pictures(folder: Path) -> None:
    """Writes 40 pictures of noise, 12x10, in the subfolders `cats` and `dogs`."""
    generator = np.random.default_rng(0)
    for number in range(40):
        path = folder / ("cats", "dogs")[number % 2] / f"{number:03d}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(generator.integers(0, 256, (12, 10, 3), np.uint8)).save(path)


class FileServer(ThreadingHTTPServer):
    """Serves `files` on loopback; `failures` says what fails first, once per entry."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, bytes] = {}  # path to content
        self.failures: dict[str, list[int | str]] = {}  # path to HTTP status, "cut" or "stall"
        self.requests: list[str] = []
        self.stalling = threading.Event()  # set while a request is stalled
        self.go_on = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(self.path)
        failures = server.failures.get(self.path, [])
        failure = failures.pop(0) if failures else 200 if self.path in server.files else 404
        content = server.files.get(self.path, b"")
        self.send_response(failure if isinstance(failure, int) else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if failure == 200:
            self.wfile.write(content)
            return
        self.wfile.write(content[: len(content) // 2])
        if failure == "stall":
            self.wfile.flush()
            server.stalling.set()
            server.go_on.wait(30)
        self.close_connection = True

    def log_message(self, *values: object) -> None:
        """Says nothing."""
