"""The power fails at any moment of an ingest: nothing that can be seen is wrong, and the next ingest completes."""

import shutil
import sys

import pytest
from proofs.ingested import WHOLE_PROGRAM, Judge
from proofs.powercut import DiskState, disk_states
from proofs.recording import Recording, Sync, Write, record

SEED = 20


@pytest.fixture(scope="module")
def judge(tmp_path_factory, sample_slide):
    return Judge.of(sample_slide, tmp_path_factory.mktemp("undisturbed") / "data")


@pytest.fixture(scope="module")
def recording(tmp_path_factory, sample_slide) -> Recording:
    folder = tmp_path_factory.mktemp("recorded")
    data = folder / "data"
    data.mkdir()
    return record([sys.executable, "-c", WHOLE_PROGRAM, str(data), str(sample_slide)], data, folder / "trace")


def wrong_of(judge, state: DiskState, folder) -> list[str]:
    state.write_to(folder)
    try:
        wrong = judge.wrong(folder)
        if not wrong and (again := judge.rerun(folder)):
            wrong = [f"after a rerun {again}"]
    finally:
        shutil.rmtree(folder)
    return [f"{state.label}: {each}" for each in wrong]


def test_a_recording_ends_as_the_folder_itself_did(recording, judge, tmp_path):
    # Nothing was missed: the replay of every operation is a finished ingest, byte by byte.
    *_, last = (state for state in disk_states(recording, parts=0, seed=0, every=10**9) if state.label.endswith("all"))
    last.write_to(tmp_path / "data")
    assert judge.wrong(tmp_path / "data") == []
    assert judge.rerun(tmp_path / "data") == ""
    writes = [operation for operation in recording.operations if isinstance(operation, Write)]
    assert sum(len(write.data) for write in writes) > judge.scan.stat().st_size


def test_what_was_acknowledged_is_on_the_disk(recording, judge, tmp_path):
    states = [state for state in disk_states(recording, parts=0, seed=0) if state.label.endswith("none")]
    states[-1].write_to(tmp_path / "data")
    assert judge.wrong(tmp_path / "data") == []
    assert len(list((tmp_path / "data" / "slides").glob("*.zarr"))) == 1


@pytest.mark.parametrize(
    ("parts", "every"), [(1, 12), pytest.param(12, 1, marks=[pytest.mark.long, pytest.mark.timeout(7200)])]
)
def test_no_state_after_a_power_cut_shows_anything_wrong(recording, judge, tmp_path, tell, parts, every):
    states = wrong = 0
    told: list[str] = []
    for state in disk_states(recording, parts=parts, seed=SEED, every=every):
        found = wrong_of(judge, state, tmp_path / "data")
        states, wrong = states + 1, wrong + bool(found)
        told += found
    moments = sum(isinstance(operation, Sync) for operation in recording.operations)
    tell(f"{moments} moments, seed {SEED}: {wrong} of {states} power-cut states wrong")
    assert told == []


def test_the_replay_finds_an_ingest_that_does_not_wait_for_the_disk(recording, judge, tmp_path):
    # The same operations without any fsync: were this right as well, the proof would prove nothing.
    hasty = Recording([op for op in recording.operations if not isinstance(op, Sync)], recording.folders)
    wrong = [
        each
        for state in disk_states(hasty, parts=4, seed=SEED)
        if not state.label.endswith((", none", ", all"))
        for each in wrong_of(judge, state, tmp_path / "data")
    ]
    assert wrong
