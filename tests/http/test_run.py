"""A server process as it is started."""

import os
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
import sys
from pathserve.server.run import application


async def main():
    app = application()
    async with app.router.lifespan_context(app):
        while not gc.get_freeze_count():
            await asyncio.sleep(0.05)
        print(gc.get_freeze_count(), *sys.modules)


asyncio.run(main())
"""


def loaded_by_a_server(data: Path) -> list[str]:
    """Start a server; give how many objects collections leave out, and the names of the modules that it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", START],
        env=os.environ | {"PATHSERVE_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=900,  # machine code may have to be compiled first
        check=True,
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> list[str]:
    return loaded_by_a_server(tmp_path_factory.mktemp("started") / "data")


def test_what_stays_is_left_out_of_garbage_collections(started) -> None:
    assert int(started[0]) > 100_000  # nearly all of it is made by imports


def test_a_server_loads_all_machine_code_when_it_starts(started) -> None:
    package = Path(pathserve.__file__).parent
    texts = {
        ".".join(("pathserve", *path.relative_to(package).with_suffix("").parts)): path.read_text()
        for path in package.rglob("*.py")
    }
    compiled = {name for name, text in texts.items() if "from pathserve.native.compiling import" in text}
    assert compiled > {*MODULES}
    assert {name for name, text in texts.items() if "\nENTRIES = {" in text} == {*MODULES}
    # Their object files have what they import inside.
    waiting, inside = [*MODULES], set[str]()
    while waiting:
        inside.add(each := waiting.pop())
        waiting += [name for name in compiled - inside if name in texts[each]]
    assert inside == compiled


def test_a_server_whose_machine_code_is_compiled_needs_no_compiler(started, tmp_path) -> None:
    """The one of the fixture has compiled what was not there."""
    modules = loaded_by_a_server(tmp_path / "data")[1:]
    assert "llvmlite.binding" in modules
    assert "numba" not in modules


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
