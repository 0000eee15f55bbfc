"""What an object store must be able to do, what it is asked, and what is never said of it.

A real server stands behind a relay that forgets one thing, as stores do that only look like S3.
"""

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from pathserve.config import Settings
from pathserve.errors import Busy, Invalid, Unsupported
from pathserve.ingest.process import _unprivileged
from pathserve.pyramid import Pyramid, plan_pyramid
from pathserve.pyramid.bucket import Bucket
from pathserve.pyramid.build import build_pyramid
from pathserve.pyramid.objects import ObjectSlides
from pathserve.pyramid.stores import checked_url, open_slides
from pathserve.slides import open_slide

HOP = {"transfer-encoding", "connection", "content-length"}


@contextmanager
def relay(address, *, forgets=()):
    """Stand before a server, drop some headers, and list what is asked; gives the address and the list."""
    target, asked = urlsplit(address).netloc, []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self):
            asked.append((self.command, self.path.partition("?")[0], self.headers.get("Range")))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in forgets}
            upstream = http.client.HTTPConnection(target)
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(length or 0))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        def log_message(self, *words):
            pass

    for method in ("GET", "PUT", "HEAD", "DELETE", "POST"):
        setattr(Handler, f"do_{method}", Handler.pass_on)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_store_that_does_it_all_is_taken_and_left_as_it_was(object_store):
    bucket = Bucket(object_store)
    ObjectSlides(bucket).probe()
    assert bucket.list("") == {}


@pytest.mark.parametrize(
    ("header", "sentence"),
    [("if-none-match", "to be created only"), ("if-match", "have changed"), ("range", "parts of objects")],
)
def test_a_store_that_forgets_something_is_refused(object_store, object_store_address, monkeypatch, header, sentence):
    with relay(object_store_address, forgets={header}) as (address, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(Unsupported, match=sentence):
            ObjectSlides(Bucket(object_store)).probe()


def test_a_bucket_that_is_not_there_and_a_server_that_is_not_there_are_told(object_store, monkeypatch):
    with pytest.raises(Unsupported, match="no such bucket"):
        ObjectSlides(Bucket("s3://nobody-made-this/x")).probe()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Busy) as told:
        ObjectSlides(Bucket(object_store)).probe()
    shown = "".join(str(part) for part in (told.value, told.value.__cause__, told.value.message))
    assert "127.0.0.1" not in shown
    assert "not-to-be-told" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "s3://user:secret@bucket/x",
        "s3://user@bucket/x",
        "s3://bucket/x?aws_secret_access_key=secret",
        "s3://bucket/x#secret",
        "bucket/secret",
        "s3://",
        "memory:///secret",
        "secret://bucket",
        "file://host/secret",
        "file:",
    ],
)
def test_an_address_with_credentials_or_that_is_none_is_refused(url, tmp_path):
    with pytest.raises(Invalid) as refused:
        open_slides(Settings(data=tmp_path, store=url))
    assert "secret" not in refused.value.message
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_plain_addresses_are_taken():
    for url in ("s3://bucket", "s3://bucket/a/b", "gs://bucket/x", "az://account/container", "file:///srv/slides"):
        assert checked_url(url) == url


def test_the_process_that_opens_scans_gets_no_credentials(monkeypatch, object_store):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "x")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "x")
    left = _unprivileged()
    assert "PATH" in left
    assert not [name for name in left if name.startswith(("AWS", "AZURE", "GOOGLE"))]
    assert "not-to-be-told" not in left.values()


def test_a_tile_is_one_request_for_its_bytes_and_an_index_is_read_once(
    object_store, object_store_address, monkeypatch, sample_slide, tmp_path
):
    (tmp_path / "staging").mkdir()
    with open_slide(sample_slide) as source:
        plan = plan_pyramid(source.info)
        more = {"content_hash": "c" * 64, "workers": 1, "progress": lambda *_: None}
        folder = build_pyramid(source, plan, tmp_path / "staging", **more).folder
    with relay(object_store_address) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        slides = ObjectSlides(Bucket(object_store))
        slides.publish(folder, "one")
        pyramid = Pyramid.open(slides.files("one"))
        local = Pyramid.open(folder)
        with pytest.raises(BlockingIOError):
            pyramid.chunk(0, 0, 0, wait=False)
        pyramid.chunk(0, 0, 0)
        asked.clear()
        for col in range(1, 6):
            assert pyramid.chunk(0, col, 2) == local.chunk(0, col, 2)
        with pytest.raises(BlockingIOError):
            pyramid.chunk(0, 1, 2, wait=False)
        assert [method for method, _, _ in asked] == ["GET"] * 5
        for (_, path, part), col in zip(asked, range(1, 6), strict=True):
            first, last = (int(number) for number in part.removeprefix("bytes=").split("-"))
            assert last - first + 1 == len(local.chunk(0, col, 2))
            assert path.endswith("one.zarr/0/c/0/0/0")
