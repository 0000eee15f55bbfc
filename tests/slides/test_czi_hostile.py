"""Damaged CZI files. The library that reads them is C++ and may crash: it does so in a worker, and nowhere else."""

import random

import pytest

from pathserve.errors import Corrupt, PathServeError
from pathserve.ingest.process import Deadlines, Listener, run_worker
from pathserve.slides import Scan, open_slide
from pathserve.worker.messages import Order

NAMES = ["mini_czi.czi", "S3_1Pos_2Mosaic_T1_Z1_CH1.czi", "CellDivision_T3_Z5_CH2_comp1.czi"]


def open_in_worker(path):
    infos = []
    run_worker(Order(Scan.of(path)), Listener(opened=infos.append), Deadlines(opening=20.0, stalled=20.0))
    return infos


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kept", [0.0003, 0.02, 0.5, 0.97])
def test_a_czi_that_was_cut_off_is_refused(shared_data, tmp_path, name, kept):
    whole = (shared_data / "slides" / "czi" / name).read_bytes()
    path = tmp_path / "cut.czi"
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(Corrupt, match="cut off"):
        open_slide(path)


@pytest.mark.parametrize("seed", range(6))
def test_a_mutated_czi_is_refused_or_described(shared_data, tmp_path, seed):
    chance = random.Random(seed)  # noqa: S311 - the same mutations each time
    data = bytearray((shared_data / "slides" / "czi" / NAMES[seed % 3]).read_bytes())
    segments = [at for at in range(len(data) - 6) if data.startswith(b"ZISRAW", at)]
    for _ in range(8):
        data[chance.choice(segments) + chance.randrange(16, 300)] = chance.randrange(256)
    path = tmp_path / "mutated.czi"
    path.write_bytes(data)
    try:
        infos = open_in_worker(path)
    except PathServeError as error:
        infos, refusal = [], error.message
        assert refusal.endswith(".")
    assert len(infos) in (0, 1)
