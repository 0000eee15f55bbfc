"""The validator of the IIIF consortium, on the test picture that it knows, against a server in a process of its own."""

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from iiif_validator.validator import ValidationInfo
from PIL import Image

from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.server.services import Services

VALIDATOR = Path(sys.executable).with_name("iiif-validate.py")

# What is beyond level 2 and PathServe does all the same. The validator's `size_up` of 3.0 cannot pass: it expects of
# ^max the size of its picture and of ^w,h more than that, so no limits fit both. Its `format_webp` needs Python 2.
BEYOND = {
    "2.0": [
        "linkheader_canonical",
        "linkheader_profile",
        "rot_full_non90",
        "rot_region_non90",
        "rot_mirror",
        "size_up",
    ],
    "3.0": ["linkheader_canonical", "linkheader_profile", "rot_full_non90", "rot_region_non90", "rot_mirror"],
}
OF_LEVEL_2 = {"2.0": 30, "3.0": 33}  # how many tests version 1.0.5 has


def save_test_picture(path: Path) -> None:
    """Make the 1000 x 1000 px that the validator looks for: ten by ten squares of the colours of its own table."""
    picture = Image.new("RGB", (1000, 1000))
    for column, colors in enumerate(ValidationInfo().colorInfo):
        for row, color in enumerate(colors):
            picture.paste(color, (100 * column, 100 * row, 100 * column + 100, 100 * row + 100))
    picture.save(path)


def proxy_with_token(address: str, token: str) -> type[BaseHTTPRequestHandler]:
    """Give what passes every GET on with a token, which the validator cannot send."""
    upstream = urlsplit(address).netloc

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with closing(http.client.HTTPConnection(upstream, timeout=60)) as connection:
                connection.putrequest("GET", self.path, skip_host=True, skip_accept_encoding=True)
                for name in ("Host", "Accept", "Origin"):
                    if name in self.headers:
                        connection.putheader(name, self.headers[name])
                connection.putheader("Authorization", f"Bearer {token}")
                connection.endheaders()
                answer = connection.getresponse()
                body = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def test_the_official_validator_passes_at_level_2(serve: Callable[..., Any], serving, tmp_path: Path) -> None:
    save_test_picture(tmp_path / "squares.png")
    served = serve()
    with closing(Services.open(Settings(data=served.data))) as services:
        outcome = ingest_scan(
            tmp_path / "squares.png",
            settings=services.settings,
            catalog=services.catalog,
            options=IngestOptions(name="squares"),
            progress=lambda _: None,
        )
    slide = outcome[0].slide
    with serving(proxy_with_token(served.address, served.tokens["viewer"])) as server:

        def validate(version: str, *words: str) -> tuple[int, int]:
            """Run it as its users do; gives how many tests it has run and how many of them failed."""
            prefix = f"iiif/{version[0]}"
            call = [sys.executable, VALIDATOR, "-s", server, "-p", prefix, "-i", slide.id, "--version", version, *words]
            environment = os.environ | {"no_proxy": "*"}
            done = subprocess.run(call, capture_output=True, text=True, timeout=240, check=False, env=environment)
            counted = re.search(r"Done \((\d+) tests, (\d+) failures\)", done.stderr)
            assert counted is not None, done.stderr
            assert (done.returncode, counted[2]) == (0, "0"), done.stderr
            return int(counted[1]), int(counted[2])

        for version, tests in OF_LEVEL_2.items():
            assert validate(version, "--level", "2") == (tests, 0)
            beyond = [word for name in BEYOND[version] for word in ("--test", name)]
            assert validate(version, *beyond) == (len(BEYOND[version]), 0)
