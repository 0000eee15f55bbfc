"""A server process as it is started."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pathserve
from pathserve.server.kernels import MODULES, compile_apart, main

START = """
import asyncio
import gc
from pathserve.server.run import application


async def main():
    app = application()
    async with app.router.lifespan_context(app):
        while not gc.get_freeze_count():
            await asyncio.sleep(0.05)
        print(gc.get_freeze_count())


asyncio.run(main())
"""


def test_what_stays_is_left_out_of_garbage_collections(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", START],
        env=os.environ | {"PATHSERVE_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=900,  # machine code may have to be compiled first
        check=True,
    )
    assert int(done.stdout) > 100_000  # nearly all of it is made by imports


def test_a_server_loads_all_machine_code_when_it_starts() -> None:
    package = Path(pathserve.__file__).parent
    late = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r'import_module\("(pathserve\.[\w.]+\.(?:\w*kernels|scan))"\)', path.read_text())
    }
    assert set(MODULES) == late


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    return folder


def test_code_is_compiled_once_and_again_after_an_update(cache, monkeypatch) -> None:
    loaded = list[int]()
    monkeypatch.setattr("pathserve.server.kernels.load_kernels", lambda: loaded.append(1))
    for name in ("nice", "umask"):  # for the rest of the tests
        monkeypatch.setattr(os, name, lambda _: None)
    main()
    main()
    assert len(loaded) == 1
    compile_apart(pytest.fail)  # asks for no other process, and so does not wait
    (mark,) = cache.glob("pathserve-kernels-*")
    mark.rename(mark.with_name("pathserve-kernels-of-the-last-version"))
    main()
    assert len(loaded) == 2
    assert [file.name for file in cache.glob("pathserve-kernels-*")] == [mark.name]


def test_a_server_that_ends_does_not_wait_for_compiling(cache) -> None:
    began = time.monotonic()
    compile_apart(lambda seconds: True)
    assert time.monotonic() - began < 30
    assert not list(cache.glob("pathserve-kernels-*"))
