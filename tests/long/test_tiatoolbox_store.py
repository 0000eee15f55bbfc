"""TIAToolbox itself opens the store that we write, asks it for boxes and classes, and edits it.

Its own package is installed without what it needs for models; the annotation store uses none of that.
"""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from pathserve.formats.contract import ReadContext, WriteContext
from pathserve.formats.tables.tiatoolbox import TIATOOLBOX
from pathserve.labels import Columns

STORE = Path(__file__).resolve().parents[3] / "shared/data/annotations/tiatoolbox/hgsc_nest.db"

PEER = """
import json, sqlite3, sys
from importlib.metadata import version
from shapely.geometry import box
from tiatoolbox.annotation.storage import SQLiteStore

def options():
    with sqlite3.connect(":memory:") as connection:
        return [option for (option,) in connection.execute("pragma compile_options")]

# It turns extensions on only to list how SQLite was built, which many builds of Python do not allow.
SQLiteStore.compile_options = staticmethod(options)
store = SQLiteStore.open(sys.argv[1])
first = next(iter(sorted(store.keys())))
found = {
    "version": version("tiatoolbox"),
    "count": len(store),
    "in a box": sorted(store.iquery(box(0, 0, 300, 300))),
    "boxes": sorted(store.bquery(box(0, 0, 300, 300))),
    "of a class": sorted(store.iquery(box(0, 0, 1500, 1500), where="props['type'] == 'connective'")),
    "areas": round(sum(annotation.geometry.area for annotation in store.values()), 3),
    "types": sorted({annotation.properties["type"] for annotation in store.values()}),
}
store.patch(first, properties={"state": "seen"})
store.commit()
found["patched"] = store[first].properties["state"]
store.close()
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_tiatoolbox_opens_asks_and_edits_our_store(tmp_path: Path, tell: Callable[[str], None]) -> None:
    python = tmp_path / "peer" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "peer"], check=True)
    (library,) = (tmp_path / "peer" / "lib").glob("python*/site-packages")
    (library / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "tiatoolbox>=2.1,<3"], check=True)
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    theirs.write_bytes(STORE.read_bytes())
    parts = [item for item in TIATOOLBOX.read(STORE, ReadContext()) if isinstance(item, Columns)]
    with ours.open("wb") as out:
        TIATOOLBOX.write(iter(parts), out, WriteContext())

    def found(store: Path) -> dict[str, object]:
        done = subprocess.run([python, "-c", PEER, str(store)], capture_output=True, check=True, text=True)
        answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return answer

    answer = found(ours)
    assert answer == found(theirs)
    assert answer["count"] == 1295
    assert answer["patched"] == "seen"
    tell(f"TIAToolbox {answer['version']} opened, asked and edited a store of 1,295 nuclei that PathServe wrote.")
