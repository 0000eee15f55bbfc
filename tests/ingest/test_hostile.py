"""Damaged and hostile files: an error or a right result, quickly, with the process alive and nothing left behind."""

import os
import struct
import sys
import textwrap
from pathlib import Path

import orjson
import pytest
import tifffile
from PIL import Image

from pathserve.errors import Busy, Corrupt, PathServeError, TooLarge, Unsupported
from pathserve.geometry import Size
from pathserve.ingest import find_scans, process
from pathserve.ingest.process import Deadlines, Listener, run_worker
from pathserve.pyramid import verify_pyramid
from pathserve.slides import Scan, open_slide
from pathserve.worker.messages import Order, info_message, parse_error, parse_info

BROKEN = sorted(
    path
    for path in (Path(__file__).parent.parent.parent.parent / "shared" / "data" / "broken").rglob("*")
    if path.is_file()
)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.name)
def test_broken_files_give_an_error_or_a_right_result(ingest, settings, path):
    refusal = None
    try:
        outcome = ingest(path)
    except PathServeError as error:
        refusal = error
    if refusal is None:
        assert verify_pyramid(settings.slides / f"{outcome.slide.id}.zarr") == []
        return
    assert refusal.message.endswith(".")
    assert path.stem not in refusal.message
    assert list((settings.slides / ".staging").glob("*")) == []
    assert list(settings.slides.glob("*.zarr")) == []


def test_there_are_broken_files(shared_data):
    assert len(BROKEN) > 10


def test_a_chain_of_directories_without_an_end_is_refused(ingest, tmp_path):
    # One image file directory whose next directory is itself.
    entry = struct.pack("<HHII", 256, 3, 1, 16)
    path = tmp_path / "loop.tif"
    path.write_bytes(b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8))
    with pytest.raises((Unsupported, Corrupt, TooLarge)):
        ingest(path)


def test_a_claimed_size_of_a_tebipixel_is_refused(ingest, make_tiff):
    path = make_tiff([(512, 256)])
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags[256]
    data[tag.offset : tag.offset + 12] = struct.pack("<HHII", 256, 4, 1, 1 << 31)
    path.write_bytes(data)
    with pytest.raises((TooLarge, Unsupported, Corrupt)):
        ingest(path)


READY = "os.write(reports, b'{\"ready\": true}\\n')\nsys.stdin.buffer.readline()\n"


@pytest.fixture
def worker_program(tmp_path, monkeypatch):
    """Let another program stand in the worker's place: one that does what a scan can make a worker do."""

    def use(body, *, ready=True):
        program = tmp_path / "worker.py"
        program.write_text(
            "import os, sys, time\nreports = int(sys.argv[-1])\n" + ready * READY + textwrap.dedent(body)
        )
        real = process.subprocess.Popen
        monkeypatch.setattr(
            process.subprocess,
            "Popen",
            lambda command, **more: real([sys.executable, str(program), command[-1]], **more),
        )

    return use


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.abort()", "reader fail"),
        ("os.kill(os.getpid(), 11)", "reader fail"),
        ("sys.exit(0)", "reader fail"),
        ("os.write(reports, b'not json\\n')", "reader fail"),
        ("os.write(reports, b'[1, 2]\\n')", "reader fail"),
        ("time.sleep(60)", "too long"),
        ("os.write(reports, b'{')\ntime.sleep(60)", "too long"),
        ("while True: pass", "too long"),
    ],
)
def test_a_worker_that_crashes_babbles_or_hangs_becomes_one_clear_error(worker_program, sample_slide, body, message):
    worker_program(body)
    with pytest.raises(Corrupt, match=message):
        run_worker(Order(Scan.of(sample_slide)), Listener(), Deadlines(opening=1.0, stalled=1.0))


@pytest.mark.parametrize("body", ["os.abort()", "import no_such_library", "raise MemoryError", "sys.exit(0)"])
def test_a_worker_that_cannot_start_is_no_fault_of_the_scan(worker_program, sample_slide, body):
    worker_program(body, ready=False)
    with pytest.raises(Busy, match="cannot be started") as caught:
        run_worker(Order(Scan.of(sample_slide)), Listener(), Deadlines())
    assert caught.value.code == "worker_failed"


def test_a_worker_that_never_gets_ready_is_stopped(worker_program, sample_slide, monkeypatch):
    monkeypatch.setattr(process, "_START_SECONDS", 0.5)
    worker_program("time.sleep(60)", ready=False)
    with pytest.raises(Busy, match="cannot be started"):
        run_worker(Order(Scan.of(sample_slide)), Listener(), Deadlines())


def test_a_library_that_is_missing_stops_the_real_worker_before_it_is_ready(tmp_path, sample_slide, monkeypatch):
    (tmp_path / "orjson.py").write_text("raise ImportError")
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Busy) as caught:
        run_worker(Order(Scan.of(sample_slide)), Listener(), Deadlines())
    assert caught.value.code == "worker_failed"


def test_a_worker_that_has_ended_before_its_slide_is_published_has_not_failed(worker_program, sample_slide):
    worker_program(
        """
        import json
        os.write(reports, json.dumps({"built": f"/{os.getpid()}", "resumed": 0}).encode() + b"\\n")
        """
    )
    ended = []

    def publish(folder, resumed):
        ended.append(os.waitid(os.P_PID, int(folder.name), os.WEXITED | os.WNOWAIT).si_status)

    run_worker(Order(Scan.of(sample_slide)), Listener(built=publish), Deadlines())
    assert ended == [0]


def test_a_build_without_progress_is_stopped(worker_program, sample_slide, tmp_path):
    with open_slide(sample_slide) as source:
        opened = info_message(source.info)
    worker_program(
        f"""
        import json
        os.write(reports, json.dumps({{"opened": {opened!r}}}).encode() + b"\\n")
        for done in range(5):
            time.sleep(0.3)
            os.write(reports, json.dumps({{"done": done, "total": 9}}).encode() + b"\\n")
        time.sleep(60)
        """
    )
    seen = []
    with pytest.raises(Corrupt, match="too long"):
        run_worker(
            Order(Scan.of(sample_slide), staging=tmp_path),
            Listener(progress=lambda done, total: seen.append(done)),
            Deadlines(opening=5.0, stalled=1.0),
        )
    assert seen == [0, 1, 2, 3, 4]  # more than the deadline in all, never between two of them


def test_a_worker_s_memory_is_limited(tmp_path, ingest, monkeypatch):
    # The limit is far above what a scan needs; here it is set below what Python itself needs for one.
    Image.new("RGB", (13_000, 13_000)).save(tmp_path / "large.png", compress_level=1)
    package = tmp_path / "limit"
    package.mkdir()
    (package / "sitecustomize.py").write_text(
        "import resource\n"
        "real = resource.setrlimit\n"
        "resource.setrlimit = lambda kind, pair: real(kind, (600 << 20, 600 << 20))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package))
    with pytest.raises((TooLarge, Corrupt)) as caught:
        ingest(tmp_path / "large.png")
    assert "memory" in caught.value.message or "reader fail" in caught.value.message


@pytest.mark.parametrize("name", ["aperio/CMU-1-Small-Region.svs", "aperio/TCGA-DU-6399-01A-01-TS1.svs"])
def test_what_a_scan_is_survives_the_pipe(shared_data, name):
    with open_slide(shared_data / "slides" / name) as source:
        assert parse_info(orjson.loads(orjson.dumps(info_message(source.info)))) == source.info
        assert source.info.size != Size(1, 1)


def test_an_error_of_no_known_class_is_corrupt():
    for name in ("SystemExit", "BaseException", "os", "nothing"):
        assert type(parse_error({"error": name, "message": "x", "code": "y"})) is Corrupt
    assert type(parse_error({"error": "TooLarge", "message": "x", "code": "y"})) is TooLarge


@pytest.mark.parametrize("name", ["scan.vms", "scan"])  # OpenSlide goes by what the file says, whatever it is called
def test_a_scan_that_names_somebody_else_s_file_is_refused_and_leaves_nothing(ingest, settings, tmp_path, name):
    folder = tmp_path / "scan"
    folder.mkdir()
    Image.new("RGB", (128, 96)).save(tmp_path / "patient.jpg", subsampling=0, restart_marker_blocks=8)
    (folder / name).write_text(
        "[Virtual Microscope Specimen]\nNoLayers=1\nNoJpegColumns=1\nNoJpegRows=1\n"
        "ImageFile=../patient.jpg\nMapFile=../patient.jpg\n"
    )
    (scan,) = find_scans([folder])
    with pytest.raises(Corrupt, match="outside its own folder"):
        ingest(scan)
    assert list(settings.slides.glob("*.zarr")) == []
