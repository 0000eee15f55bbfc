"""Kernels out of object files do what numba makes of them, and a file that is not right is made anew."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from pathserve.native import functions, kept_kernels_of, load_functions

MODULE = "pathserve.annotations.chunk_kernels"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("objects")
    load_functions(MODULE, folder=made)
    return made


def taken(functions):
    out = np.empty(2, np.int64)
    functions["take_ints"](np.array([1, 2, 3, 255], np.uint8), 0, 2, out)
    return out.tolist()


def _signed(data):
    _, _, content = data.partition(b"\n")
    return hashlib.blake2b(content).hexdigest().encode() + b"\n" + content


WANTED = [1 + 3 * 256, 2 - 256]  # the lower bytes come first


def test_a_process_that_finds_the_object_loads_no_numba(folder):
    program = (
        "import sys, numpy as np; from pathlib import Path; from pathserve.native import load_functions\n"
        f"made = load_functions({MODULE!r}, folder=Path({str(folder)!r}))\n"
        "out = np.empty(2, np.int64); made['take_ints'](np.array([1, 2, 3, 255], np.uint8), 0, 2, out)\n"
        "print(out.tolist(), 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{WANTED} False\n"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: _signed(data.replace(b'"key": "', b'"key": "0', 1)),
        lambda data: data.replace(b'"i8"', b'"f8"', 1),
        lambda data: data.replace(b'"functions"', b'"function"', 1),
        lambda _: b"",
        lambda _: b"[]\n",
    ],
    ids=["cut", "changed", "of other sources", "of other types", "without functions", "empty", "foreign"],
)
def test_a_file_that_is_not_right_is_made_anew(folder, tmp_path, spoil):
    good = (folder / f"{MODULE}.o").read_bytes()
    (tmp_path / f"{MODULE}.o").write_bytes(spoil(good))
    assert taken(load_functions(MODULE, folder=tmp_path)) == WANTED
    anew = (tmp_path / f"{MODULE}.o").read_bytes()
    assert anew != spoil(good)
    assert taken(load_functions(MODULE, folder=tmp_path)) == WANTED
    assert (tmp_path / f"{MODULE}.o").read_bytes() == anew


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert taken(load_functions(MODULE, folder=tmp_path / "file")) == WANTED


def test_arrays_of_another_type_or_shape_or_with_gaps_or_not_to_be_written_are_refused(folder):
    functions = load_functions(MODULE, folder=folder)
    data = np.zeros(16, np.uint8)
    fixed = np.zeros(8, np.int64)
    fixed.flags.writeable = False
    for wrong in (np.zeros(8, np.int32), np.zeros((4, 2), np.int64), np.zeros(16, np.int64)[::2], np.zeros(8), fixed):
        with pytest.raises(TypeError):
            functions["take_ints"](data, 0, 2, wrong)
    with pytest.raises(ValueError, match="zip"):
        functions["take_ints"]()


def test_what_must_be_compiled_first_is_not_given_until_another_process_has_done_so(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.delitem(functions._loaded(), MODULE, raising=False)
    assert kept_kernels_of(MODULE) is None
    assert not list(tmp_path.iterdir())
    (tmp_path / f"{MODULE}.o").write_bytes((folder / f"{MODULE}.o").read_bytes())
    assert taken(vars(kept_kernels_of(MODULE))) == WANTED
