"""What a command imports: most take less time to run than all that the server needs takes to import."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pathserve.catalog import DEFAULT_PROJECT, make_slide_id
from pathserve.cli.later import Later
from pathserve.cli.main import main, program
from pathserve.config import Settings
from pathserve.geometry import Size
from pathserve.labels import NewAnnotation
from pathserve.pixels import Level, SlideInfo
from pathserve.server.rooms import Rooms

SERVER = {"starlette", "uvicorn", "dask", "pathserve.server.app"}
PIXELS = {"PIL", "zarr", "openslide", "tifffile", "pydicom", "pathserve.slides", "pathserve.pyramid"}
KERNELS = {"numba", "llvmlite"}
FORMATS = {"ijson", "pathserve.exchange"}
STORE = {"numpy", "shapely", "apsw", "pathserve.annotations"}

Imported = Callable[..., set[str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("imports") / "data"


@pytest.fixture(scope="module")
def slide(data: Path) -> str:
    """Give a slide without pixels, with one annotation."""
    slide_id = make_slide_id()
    with closing(Rooms.open(Settings(data=data))) as rooms:
        rooms.catalog.add_slide(
            slide_id=slide_id,
            project=DEFAULT_PROJECT,
            name="made",
            info=SlideInfo("aperio", (Level(Size(200, 100), 1.0),), None, False, None, "jpeg"),
            levels=1,
            tile_size=256,
            content_hash=slide_id,
        )
        rooms.annotations.add(
            slide_id, [NewAnnotation({"type": "Point", "coordinates": [3, 4]})], layer="AI", author="a"
        )
    return slide_id


@pytest.fixture(scope="module")
def imported(data: Path) -> Imported:
    """Run a command as its users do; gives the modules that its process imported."""

    def run(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "pathserve", *words],
            env={**os.environ, "PATHSERVE_DATA": str(data)},
            capture_output=True,
            text=True,
            check=True,
        )
        # Each line of the interpreter: `import time: self | cumulative | name`.
        modules = {
            line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
        }
        assert {"typer", "pathserve.cli.later"} <= modules
        return modules

    return run


@pytest.mark.parametrize("words", [(), ("annotations",)], ids=" ".join)
def test_help_imports_no_command(imported: Imported, words: tuple[str, ...]) -> None:
    modules = imported(*words, "--help")
    assert modules & (SERVER | PIXELS | KERNELS | FORMATS | STORE) == set()
    assert [name for name in modules if name.startswith("pathserve.cli.commands_")] == []


@pytest.mark.parametrize("words", ["slides", "layers list"])
def test_help_of_a_command_imports_neither_server_nor_pixels(imported: Imported, words: str) -> None:
    assert imported(*words.split(), "--help") & (SERVER | PIXELS | KERNELS | FORMATS) == set()


def test_slides_are_listed_and_annotations_counted_without_server_and_pixels(imported: Imported, slide: str) -> None:
    for words in (["slides"], ["annotations", "count", slide, "--class", "Tumour"]):
        modules = imported(*words)
        assert modules & (SERVER | PIXELS | KERNELS | {"pathserve.exchange"}) == set(), words
        assert modules > STORE, words


def test_files_of_annotations_go_in_and_out_without_the_server(imported: Imported, slide: str, tmp_path: Path) -> None:
    assert imported("annotations", "export", slide, "-o", str(tmp_path / "out.geojson")) & (SERVER | {"zarr"}) == set()
    assert imported("annotations", "import", slide, str(tmp_path / "out.geojson")) & (SERVER | {"zarr"}) == set()


def test_masks_are_drawn_without_the_server(imported: Imported, slide: str, tmp_path: Path) -> None:
    modules = imported("mask", slide, "-o", str(tmp_path / "mask.png"))
    assert modules & (SERVER | {"openslide", "pathserve.slides", "pathserve.pyramid"}) == set()


def stand_ins(command) -> list[Later]:
    if isinstance(command, Later):
        return [command]
    return [found for inner in command.commands.values() for found in stand_ins(inner)]


STAND_INS = stand_ins(program())


@pytest.mark.parametrize("later", STAND_INS, ids=lambda later: later.name)
def test_the_help_above_says_what_the_command_itself_says(later: Later) -> None:
    command = later.load()
    assert (command.name, command.hidden, command.help.split("\n\n")[0]) == (later.name, False, later.help)


@pytest.mark.parametrize(("before", "traced"), [("", False), ("start.listen(); ", True)], ids=["loading", "listening"])
def test_ctrl_c_ends_a_command_that_loads_without_a_word(before: str, traced: bool) -> None:
    script = (
        "import os, signal, pathserve.cli.start as start\n"
        f"def load(name): {before}os.kill(os.getpid(), signal.SIGINT)\n"
        "start.import_module = load\n"
        "start.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, "KeyboardInterrupt" in done.stderr) == (-signal.SIGINT, traced)
    assert traced or done.stderr == ""


def test_no_garbage_is_collected_while_a_command_loads_but_when_it_runs() -> None:
    script = (
        "import gc, pathserve.cli.start as start\n"
        "collected = []\n"
        "gc.callbacks.append(lambda phase, info: collected.append(phase))\n"
        "def load(name):\n"
        "    kept = [[] for _ in range(100_000)]\n"
        "    print(len(collected)); start.listen(); print(gc.isenabled(), gc.get_freeze_count() > 100_000)\n"
        "    more = [[] for _ in range(100_000)]; print(len(collected) > 0); raise SystemExit\n"
        "start.import_module = load\n"
        "start.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True", "True"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("an", ["annotations"]), ("layers re", ["rename", "remove", "restore"]), ("mask --kin", ["--kind"])],
)
def test_the_tab_key_completes_commands_and_options(monkeypatch, capsys, typed: str, offered: list[str]) -> None:
    words = f"pathserve {typed}"
    monkeypatch.setenv("_PATHSERVE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    monkeypatch.setattr(sys, "argv", ["pathserve"])
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # it is no `python -m pathserve`, or pytest
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out.split() == offered


def test_each_command_is_called_by_one_name() -> None:
    assert len(STAND_INS) > 20
    names = [later.name for later in STAND_INS if later.name != "list"]
    assert len(set(names)) == len(names)


def test_what_is_no_command_is_told_as_ever(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["pathserve", "slide"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, "No such command 'slide'" in capsys.readouterr().err) == (2, True)
