"""Programs of others open a slide's OME-Zarr group over HTTP, with a token, in an environment of their own.

They are no dependencies of ours, because they ask for older releases of what we use; PathServe is installed beside
them, because the codec of its chunks is.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

PEERS = ("ome-zarr>=0.12,<1", "ome-zarr-models>=1.2,<2", "aiohttp>=3.10,<4")

READERS = """
import json, sys
import numpy as np, openslide, zarr
from importlib.metadata import version
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_models.v05 import Image
from zarr.storage import FsspecStore

address, token, scan = sys.argv[1:]
with openslide.OpenSlide(scan) as slide:
    truth = np.moveaxis(np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB")), -1, 0)
options = {"client_kwargs": {"headers": {"Authorization": f"Bearer {token}"}}}
group = zarr.open_group(FsspecStore.from_url(address, storage_options=options, read_only=True), mode="r")
found = {"zarr over fsspec": bool(np.array_equal(group["0"][:], truth))}
levels = next(iter(Reader(parse_url(address))())).data  # by FSSPEC_HTTP
found["ome-zarr"] = bool(np.array_equal(np.asarray(levels[0]), truth))
found["levels"] = [list(level.shape) for level in levels]
axes = [axis.name for axis in Image.from_zarr(group).ome_attributes.multiscales[0].axes]
found["axes"] = axes
found["versions"] = {name: version(name) for name in ("zarr", "ome-zarr", "ome-zarr-models")}
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_ome_zarr_py_and_ome_zarr_models_open_a_slide(
    tmp_path: Path, sample_slide: Path, tell: Callable[[str], None]
) -> None:
    python = tmp_path / "peers" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "peers"], check=True)
    (library,) = (tmp_path / "peers" / "lib").glob("python*/site-packages")
    (library / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    data = str(tmp_path / "data")

    def pathserve(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pathserve", *words, "--data", data], capture_output=True, check=True
        )
        return done.stdout.decode()

    slide = json.loads(pathserve("ingest", str(sample_slide), "--json"))["items"][0]["slide"]
    token = pathserve("token", "create", "reader", "--role", "viewer").strip()
    serve = [sys.executable, "-m", "pathserve", "serve", "--port", "0", "--data", data]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = re.search(r"http://[\d.:]+", server.stdout.readline())
        assert address is not None
        group = f"{address[0]}/zarr/{slide}.zarr"
        headers = {"client_kwargs": {"headers": {"Authorization": f"Bearer {token}"}}}
        environment = {**os.environ, "FSSPEC_HTTP": json.dumps(headers)}
        try:
            done = subprocess.run(
                [python, "-c", READERS, group, token, sample_slide], env=environment, capture_output=True, check=False
            )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    tell(str(found["versions"]))
    assert found["zarr over fsspec"]
    assert found["ome-zarr"]
    assert found["levels"] == [[3, 2967, 2220], [3, 1484, 1110], [3, 742, 555], [3, 371, 278], [3, 186, 139]]
    assert found["axes"] == ["c", "y", "x"]
