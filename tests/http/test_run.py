"""A server process as it is started."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pathserve
from pathserve.server.kernels import MODULES

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
        timeout=120,
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
