"""Starting and stopping the programs that are measured."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

_START_SECONDS = 60.0


def pathserve(*arguments: str | Path) -> str:
    """Run one ``pathserve`` command and give what it printed."""
    command = [sys.executable, "-m", "pathserve", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def ingest(slide: Path, data: Path) -> str:
    """Ingest a slide into a data folder, or find it there; gives its id."""
    items = orjson.loads(pathserve("ingest", slide, "--data", data, "--json"))["items"]
    return str(items[0]["slide"])


def make_token(data: Path) -> str:
    """Make an API token that may read."""
    return pathserve("token", "create", "benchmark", "--role", "viewer", "--data", data).strip()


@contextmanager
def serve_pathserve(data: Path, port: int) -> Iterator[int]:
    """Run ``pathserve serve`` with one process; gives its process id."""
    with _running(["-m", "pathserve", "serve", "--data", str(data), "--port", str(port)], port) as pid:
        yield pid


@contextmanager
def serve_peer(kind: str, source: Path, port: int, *grid: int) -> Iterator[int]:
    """Run a server of `benchmarks.peers`, for Deep Zoom with its tile size and overlap; gives its process id."""
    with _running(["-m", "benchmarks.peers", kind, str(source), str(port), *map(str, grid)], port) as pid:
        yield pid


@contextmanager
def _running(arguments: list[str], port: int) -> Iterator[int]:
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=os.environ) as process:
        try:
            _wait_for(process, port)
            yield process.pid
        finally:
            process.terminate()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    limit = time.monotonic() + _START_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("A server did not start.")
