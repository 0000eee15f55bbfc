"""kill -9 of the server's process and of PostgreSQL while four write at once: no acknowledged write is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from proofs.edits import Told, prepare, program, wrong_of

SEED = 50

SMALL_AND_LONG = [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(7200)])]


class Writers:
    """The writers' process, and what it has said."""

    def __init__(self, where: Path | str, slide: str, *, text: str | None = None) -> None:
        self._reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", text or program(), str(where), slide, str(writing), str(10**9)], pass_fds=(writing,)
        )
        os.close(writing)
        self.said = b""

    def hear(self, count: int) -> None:
        """Wait until they have said that many lines."""
        while self.said.count(b"\n") < count:
            data = os.read(self._reading, 65536)
            assert data, "the writers ended"
            self.said += data

    def kill(self) -> Told:
        """Kill the process; gives all that it has ever said."""
        self.process.kill()
        while data := os.read(self._reading, 65536):
            self.said += data
        os.close(self._reading)
        self.process.wait()
        return Told.of(self.said)


@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize("moments", SMALL_AND_LONG)
def test_no_acknowledged_write_is_lost_when_the_process_is_killed(settings, tell, moments) -> None:
    random = np.random.default_rng(SEED)
    rounds, wrong = list[tuple[str, Told]](), list[str]()
    settings.data.mkdir()
    for moment in range(moments):
        slide = prepare(settings.database)
        writers = Writers(settings.database, slide)
        writers.hear(1 + int(random.integers(60)))
        time.sleep(float(random.random()) * 0.02)  # between two of its lines
        rounds.append((slide, writers.kill()))
        wrong += [f"moment {moment}: {each}" for each in wrong_of(settings.database, *rounds[-1])]
    # What was right once is right still.
    wrong += [f"in the end: {each}" for slide, told in rounds for each in wrong_of(settings.database, slide, told)]
    acknowledged = sum(told.count for _, told in rounds)
    tell(f"seed {SEED}: {len(wrong)} wrong after {moments} kills; {acknowledged} acknowledged writes")
    assert wrong == []
    assert acknowledged >= moments


@pytest.mark.parametrize("moments", SMALL_AND_LONG)
def test_no_acknowledged_write_is_lost_when_postgresql_is_killed(own_postgres, tell, moments) -> None:
    random = np.random.default_rng(SEED)
    url = own_postgres.url("postgres")
    slide = prepare(url)
    writers = Writers(url, slide)
    wrong = list[str]()
    for moment in range(moments):
        writers.hear(writers.said.count(b"done") + writers.said.count(b"unknown") + 20 + int(random.integers(60)))
        time.sleep(float(random.random()) * 0.02)
        own_postgres.stop(signal.SIGKILL if random.random() < 0.7 else signal.SIGQUIT)
        own_postgres.start()
        wrong += [f"moment {moment}: {each}" for each in wrong_of(url, slide, Told.of(writers.said), is_over=False)]
    writers.hear(writers.said.count(b"\n") + 20)  # they go on
    told = writers.kill()
    wrong += wrong_of(url, slide, told)
    failed, unknown = (sum(map(len, each.values())) for each in (told.failed, told.unknown))
    tell(
        f"seed {SEED}: {len(wrong)} wrong after {moments} kills; "
        f"{told.count} acknowledged, {failed} failed and {unknown} unknown writes"
    )
    assert wrong == []
    assert failed


HASTY = """
from pathserve.db import postgres_connection as made
made._SETTINGS = made._SETTINGS.replace("synchronous_commit = on", "synchronous_commit = off")
"""


def test_the_proof_finds_commits_that_do_not_wait_for_the_disk(own_postgres) -> None:
    # Were a database that acknowledges too early right as well, the proof would prove nothing.
    url = own_postgres.url("postgres")
    lost = False
    for _ in range(5):
        slide = prepare(url)
        writers = Writers(url, slide, text=HASTY + program())
        writers.hear(40)
        own_postgres.stop(signal.SIGKILL)
        told = writers.kill()
        own_postgres.start()
        lost = any("is lost" in each for each in wrong_of(url, slide, told))
        if lost:
            break
    assert lost
