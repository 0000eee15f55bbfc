"""What every test may use: the shared data of other tools, the package's own scans, an empty database."""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from pathserve.config import Settings
from pathserve.db import Database

REPOSITORY = Path(__file__).parent.parent

# No test is a matter of time: a busy machine is no fault of the code.
hypothesis_settings.register_profile("pathserve", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("pathserve")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files of other tools, beside the checkout; too large or too restricted to be part of it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.fail("these tests read real scans from ../shared/data, which is not here; see tests/README.md")
    return folder


@pytest.fixture(scope="session")
def sample_slide() -> Path:
    """CMU-1-Small-Region.svs (CC0): 2220 x 2967 px, JPEG tiles of 240 px, 0.499 micrometres per pixel."""
    return Path(str(resources.files("pathserve._demo") / "CMU-1-Small-Region.svs"))


@pytest.fixture(scope="session")
def sample_field() -> Path:
    """hgsc_nest.jpg (BSD-3): a plain JPEG of 1500 x 1500 px with 1,295 outlined nuclei."""
    return Path(str(resources.files("pathserve._demo") / "hgsc_nest.jpg"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()


MakeTiff = Callable[..., Path]


@pytest.fixture
def empty_tiles() -> Callable[[Path, list[int]], Path]:
    """Take the bytes of some tiles of a TIFF's first image away, as scanners do that leave out empty glass."""

    def take(path: Path, tiles: list[int]) -> Path:
        with tifffile.TiffFile(path) as tiff:
            counts = tiff.pages.first.tags[325]
            width, start = {3: 2, 4: 4}[int(counts.dtype)], counts.valueoffset
        with path.open("r+b") as file:
            for tile in tiles:
                file.seek(start + width * tile)
                file.write(bytes(width))
        return path

    return take


@pytest.fixture
def make_tiff(tmp_path: Path) -> MakeTiff:
    """Write a pyramidal, JPEG-tiled TIFF whose pixels follow a formula.

    The function takes the level sizes ``[(width, height), ...]`` (finest first), and keyword arguments: ``tile``
    (side in pixels), ``name``, and anything that tifffile writes.
    """

    def formula(width: int, height: int, step: int) -> npt.NDArray[np.uint8]:
        y, x = (np.mgrid[0:height, 0:width] + 0.5) * step
        red, green = 128 + 100 * np.sin(x / 37 + y / 91), 128 + 90 * np.sin((x - y) / 300)
        blue = 128 + 80 * np.cos(x / 53 - y / 29)
        return np.stack([red, green, blue], axis=-1).astype(np.uint8)

    def write(
        sizes: list[tuple[int, int]],
        *,
        tile: int | tuple[int, int] = 256,
        name: str = "made.tiff",
        **more: Any,
    ) -> Path:
        shape = (tile, tile) if isinstance(tile, int) else tile
        with tifffile.TiffWriter(tmp_path / name) as tiff:
            for index, size in enumerate(sizes):
                tiff.write(
                    formula(*size, round(sizes[0][0] / size[0])),
                    tile=shape,
                    compression="jpeg",
                    compressionargs={"level": 90},
                    photometric="rgb",  # of the input: stored as YCbCr, as JPEG has it
                    subfiletype=1 if index else 0,
                    metadata=None,
                    **more,
                )
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def object_store_address() -> Iterator[str]:
    """A real server that speaks S3, in a process of its own, with one bucket: ``slides``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    try:
        while True:
            try:
                made = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                made.request("PUT", "/slides")
                made.getresponse().read()
                made.close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def object_store(object_store_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the address of an empty store, whose credentials stand in the environment as a user would set them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store_address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-told")
    return f"s3://slides/{secrets.token_hex(8)}"
