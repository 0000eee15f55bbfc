"""kill -9 at random moments of an ingest: nothing that can be seen is wrong, and the next ingest completes."""

import shutil
import time

import numpy as np
import pytest
from proofs.ingested import Judge
from proofs.processes import first_line, kill_one, start_ingest, wait_for_end

SEED = 30


@pytest.fixture(scope="module")
def judge(tmp_path_factory, sample_slide):
    return Judge.of(sample_slide, tmp_path_factory.mktemp("undisturbed") / "data")


@pytest.fixture(scope="module")
def seconds(tmp_path_factory, sample_slide):
    """How long an undisturbed ingest takes from its first word on, on this machine as it is now."""
    process = start_ingest(tmp_path_factory.mktemp("timed") / "data", sample_slide)
    first_line(process)
    begun = time.monotonic()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return time.monotonic() - begun


@pytest.mark.parametrize("moments", [4, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])
def test_nothing_is_wrong_after_kill_9_and_a_rerun_completes(judge, seconds, tmp_path, tell, moments):
    random = np.random.default_rng(SEED)
    killed: list[str] = []
    wrong: list[str] = []
    for attempt in range(moments):
        part, worker = float(random.random()), bool(random.integers(2))
        data = tmp_path / "data"
        process = start_ingest(data, judge.scan)
        first_line(process)
        time.sleep(part * seconds)
        victim = kill_one(process, worker=worker)
        wait_for_end(process)
        killed.append(victim)
        place = f"attempt {attempt}, {victim} killed after {part:.3f} of {seconds:.2f} s"
        found = judge.wrong(data)
        again = "" if found else judge.rerun(data)
        wrong += [f"{place}: {each}" for each in (*found, *([f"after a rerun {again}"] if again else []))]
        shutil.rmtree(data)
    counts = ", ".join(f"{killed.count(each)} {each}" for each in sorted(set(killed)))
    tell(f"seed {SEED}: {len(wrong)} of {moments} moments wrong; killed: {counts}")
    assert wrong == []
    assert any(each in ("parent", "worker") for each in killed)
