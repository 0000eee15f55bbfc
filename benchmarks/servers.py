"""Starting and stopping the programs that are measured."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from benchmarks.measure import process_cpu_seconds
from benchmarks.processes import children

_START_SECONDS = 240.0
"""TIAToolbox imports much, the first time above all."""

_NGINX = """\
daemon off;
worker_processes 1;
pid {scratch}/nginx.pid;
error_log stderr error;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_body_temp_path {scratch}/body;
  proxy_temp_path {scratch}/proxy;
  fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi;
  scgi_temp_path {scratch}/scgi;
  types {{ image/jpeg jpeg; }}
  {cache}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    root {folder};
    add_header Cache-Control "private, max-age=31536000, immutable";
  }}
}}
"""
_FILE_CACHE = "open_file_cache max=100000 inactive=1h; open_file_cache_valid 1h;"


def pathserve(*arguments: str | Path) -> str:
    """Run one ``pathserve`` command and give what it printed."""
    command = [sys.executable, "-m", "pathserve", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def ingest(slide: Path, data: Path) -> str:
    """Ingest a slide into a data folder, or find it there; gives its id."""
    items = orjson.loads(pathserve("ingest", slide, "--data", data, "--json"))["items"]
    return str(items[0]["slide"])


def make_token(data: Path, *, role: str = "viewer") -> str:
    """Make an API token; by default one that may read."""
    return pathserve("token", "create", "benchmark", "--role", role, "--data", data).strip()


def make_link(data: Path) -> str:
    """Make an account that may read; gives the code of its sign-in link, for `sign_in`."""
    printed = pathserve("user", "add", "benchmark", "--role", "viewer", "--data", data)
    return printed.rpartition("/sign-in#")[2].split()[0]


def sign_in(port: int, code: str) -> str:
    """Exchange the code for a session as a browser does; gives the cookie that it then sends."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    connection.request("POST", "/sign-in", orjson.dumps({"code": code}), headers)
    answer = connection.getresponse()
    cookie = answer.getheader("set-cookie")
    connection.close()
    if answer.status != 204 or cookie is None:
        raise RuntimeError("The server refused the sign-in link.")
    return cookie.partition(";")[0]


@contextmanager
def serve_pathserve(data: Path, port: int, *, workers: int = 1) -> Iterator[int]:
    """Run ``pathserve serve``, with one process unless told otherwise; gives its process id."""
    arguments = ["-m", "pathserve", "serve", "--data", str(data), "--port", str(port), "--workers", str(workers)]
    with _running([sys.executable, *arguments], port) as pid:
        yield pid


@contextmanager
def serve_peer(kind: str, source: Path, port: int, *grid: int) -> Iterator[int]:
    """Run a server of `benchmarks.peers`, for Deep Zoom with its tile size and overlap; gives its process id."""
    with serve_module(Path(sys.executable), "peers", kind, str(source), str(port), *map(str, grid), port=port) as pid:
        yield pid


@contextmanager
def serve_module(python: Path, module: str, *arguments: str, port: int) -> Iterator[int]:
    """Run a module of this folder by any interpreter; gives its process id."""
    with _running([str(python), "-m", f"benchmarks.{module}", *arguments], port) as pid:
        yield pid


@contextmanager
def serve_nginx(program: str, folder: Path, scratch: Path, port: int, *, file_cache: bool) -> Iterator[int]:
    """Run nginx with one worker process over the files of a folder; gives the process id of its master.

    Parameters
    ----------
    scratch
        A folder for what nginx writes.
    file_cache
        Whether nginx keeps the files open, instead of opening one for each request.
    """
    scratch.mkdir()
    text = _NGINX.format(scratch=scratch, folder=folder, port=port, cache=_FILE_CACHE if file_cache else "")
    (scratch / "nginx.conf").write_text(text, "utf-8")
    command = [program, "-e", "stderr", "-p", str(scratch), "-c", str(scratch / "nginx.conf")]
    with _running(command, port) as pid:
        yield pid


def server_cpu_seconds(pid: int) -> float:
    """Give user and system time of a server so far: of its process and of all its children that live."""
    return sum(process_cpu_seconds(each) for each in (pid, *children(pid)))


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[int]:
    _require_free(port)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ) as process:
        try:
            _wait_for(process, port)
            yield process.pid
        finally:
            process.terminate()


def _require_free(port: int) -> None:
    """Make sure that no other program would be measured."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise RuntimeError(f"Port {port} is taken; choose others with --port.") from error


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
