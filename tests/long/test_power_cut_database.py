"""The power fails while four write at once: every acknowledged write is in the database that is opened afterwards.

What a database does to its folder is recorded, with what the writers were told in between; then the states in which a
disk may be at each fsync are made, and opened by the database as after a power cut.
"""

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from proofs.edits import Told, program, wrong_of
from proofs.powercut import DiskState, disk_states
from proofs.recording import Name, Recording, Sync, Write, record

SEED = 51
SLIDE = "0123456789ab"
ACKNOWLEDGED = "acknowledged"
PREPARE = "import sys; from pathlib import Path; from proofs.edits import prepare; "

HERE = Path(__file__).parent
EDITS = 12


def told_by(recording: Recording, at: int) -> Told:
    """Give what the writers had been told after so many operations."""
    file, said = None, b""
    for operation in recording.operations[:at]:
        if isinstance(operation, Name):
            file = next((node for _, name, node in operation.changes if name == ACKNOWLEDGED), file)
        elif isinstance(operation, Write) and operation.file == file:
            said += operation.data
    return Told.of(said)


# SQLite


@pytest.fixture(scope="module")
def sqlite_recording(tmp_path_factory) -> Recording:
    folder = tmp_path_factory.mktemp("recorded")
    data = folder / "data"
    data.mkdir()
    (folder / "writers.py").write_text(program())
    steps = (
        [sys.executable, "-c", f"{PREPARE} prepare(Path(sys.argv[1]), {SLIDE!r})", str(data / "pathserve.db")],
        [
            sys.executable,
            str(folder / "writers.py"),
            str(data / "pathserve.db"),
            SLIDE,
            str(data / ACKNOWLEDGED),
            str(EDITS),
        ],
    )
    words = ["env", f"PYTHONPATH={HERE}", "sh", "-ec", "; ".join(map(shlex.join, steps))]
    return record(words, data, folder / "trace")


def wrong_of_sqlite(recording: Recording, state: DiskState, folder: Path) -> list[str]:
    state.write_to(folder)
    file = folder / "pathserve.db"
    try:
        wrong = wrong_of(file, SLIDE, told_by(recording, state.at))
        connection = apsw.Connection(str(file))
        if (answer := connection.pragma("integrity_check")) != "ok":
            wrong.append(f"SQLite says: {answer}")
        connection.close()
    finally:
        shutil.rmtree(folder)
    return [f"{state.label}: {each}" for each in wrong]


def test_a_recording_of_sqlite_ends_as_the_database_did(sqlite_recording, tmp_path) -> None:
    told = told_by(sqlite_recording, len(sqlite_recording.operations))
    assert told.count == 4 * EDITS
    *_, last = (s for s in disk_states(sqlite_recording, parts=0, seed=0, every=10**9) if s.label.endswith("none"))
    assert wrong_of_sqlite(sqlite_recording, last, tmp_path / "data") == []


@pytest.mark.parametrize(
    ("parts", "every"), [(1, 10), pytest.param(8, 1, marks=[pytest.mark.long, pytest.mark.timeout(7200)])]
)
def test_no_power_cut_takes_an_acknowledged_write_from_sqlite(sqlite_recording, tmp_path, tell, parts, every) -> None:
    states = 0
    wrong: list[str] = []
    for state in disk_states(sqlite_recording, parts=parts, seed=SEED, every=every):
        wrong += wrong_of_sqlite(sqlite_recording, state, tmp_path / "data")
        states += 1
    moments = sum(isinstance(operation, Sync) for operation in sqlite_recording.operations)
    tell(f"SQLite, {moments} moments, seed {SEED}: {len(wrong)} wrong in {states} power-cut states")
    assert wrong == []


def test_the_replay_finds_a_database_that_does_not_wait_for_the_disk(sqlite_recording, tmp_path) -> None:
    # The same operations, but the log is never synced: were this right as well, the proof would prove nothing.
    logs = {
        node
        for operation in sqlite_recording.operations
        if isinstance(operation, Name)
        for _, name, node in operation.changes
        if name.endswith("-wal")
    }
    nothing = Sync(-1, 0)
    hasty = Recording(
        [nothing if isinstance(op, Sync) and op.node in logs else op for op in sqlite_recording.operations],
        sqlite_recording.folders,
    )
    wrong = [
        each
        for state in disk_states(hasty, parts=0, seed=0, every=5)
        if state.label.endswith("none")
        for each in wrong_of_sqlite(hasty, state, tmp_path / "data")
    ]
    assert any("is lost" in each for each in wrong)


# PostgreSQL

SMALL = "-c shared_buffers=16MB -c min_wal_size=2MB -c max_wal_size=2MB -c wal_init_zero=off -c autovacuum=off"
# Hints to the system to begin writing, which promise nothing.
HINTLESS = "-c checkpoint_flush_after=0 -c bgwriter_flush_after=0 -c backend_flush_after=0"

READY = """
import sys, time, psycopg
for _ in range(300):
    try:
        psycopg.connect(sys.argv[1]).close()
        break
    except psycopg.OperationalError:
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def small_cluster(private_postgres) -> Iterator[Any]:
    """Give a cluster with the database ``postgres`` alone, stopped in order."""
    with private_postgres("--wal-segsize=1") as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            for name in ("template0", "template1"):
                connection.execute(f"alter database {name} is_template false allow_connections false")
                connection.execute(f"drop database {name}")
        server.stop()
        yield server


@pytest.fixture(scope="module")
def postgres_recording(small_cluster) -> Recording:
    """Record a server from its start on; what was there before is on the disk for certain."""
    folder = small_cluster.folder / "recorded"
    folder.mkdir()
    sockets, data = small_cluster.folder, folder / "pg"
    (sockets / "writers.py").write_text(program())
    as_server = (
        []
        if small_cluster.user is None
        else ["setpriv", "--reuid", small_cluster.user, "--regid", small_cluster.user, "--clear-groups"]
    )
    start = [*as_server, *small_cluster.command(*f"-D {data} {SMALL} {HINTLESS}".split())]
    url = small_cluster.url("postgres")
    ready = [sys.executable, "-c", READY, url]
    script = f"""
        mkdir {data}; chmod 700 {data}
        tar -C {small_cluster.data} -cf - . | tar -C {data} -xf -
        {"" if small_cluster.user is None else f"chown {small_cluster.user}: {folder} {data}"}
        sync
        : > {folder}/begun
        {shlex.join(start)} > {sockets}/log 2>&1 &
        server=$!
        {shlex.join(ready)}
        {shlex.join([sys.executable, "-c", f"{PREPARE} prepare(sys.argv[1], {SLIDE!r})", url])}
        {shlex.join([sys.executable, str(sockets / "writers.py"), url, SLIDE, str(folder / ACKNOWLEDGED), str(EDITS)])}
        kill -INT $server; wait $server
    """
    return record(["env", f"PYTHONPATH={HERE}", "sh", "-ec", script], folder, sockets / "trace")


def beginning(recording: Recording) -> int:
    """Tell after how many operations the server was started."""
    return next(
        index
        for index, operation in enumerate(recording.operations)
        if isinstance(operation, Name) and any(name == "begun" for _, name, _ in operation.changes)
    )


def wrong_of_postgres(recording: Recording, state: DiskState, server) -> list[str]:
    folder = server.folder / "state"
    state.write_to(folder)
    (folder / "pg" / "postmaster.pid").unlink(missing_ok=True)  # of a process that ended with the power
    try:
        with server.on(folder / "pg"):
            wrong = wrong_of(server.url("postgres"), SLIDE, told_by(recording, state.at))
            with psycopg.connect(server.url("postgres")) as connection:
                connection.execute("create extension if not exists amcheck")
                connection.execute(
                    "select bt_index_check(indexrelid, true) from pg_index i join pg_class c on c.oid = i.indexrelid "
                    "join pg_am a on a.oid = c.relam where a.amname = 'btree' and c.relpersistence = 'p'"
                )
    finally:
        shutil.rmtree(folder)
    return [f"{state.label}: {each}" for each in wrong]


def test_a_recording_of_postgresql_ends_as_the_database_did(postgres_recording, small_cluster) -> None:
    assert told_by(postgres_recording, len(postgres_recording.operations)).count == 4 * EDITS
    *_, last = (
        s
        for s in disk_states(postgres_recording, parts=0, seed=0, every=10**9, names_with_files=True)
        if s.label.endswith("none")
    )
    assert wrong_of_postgres(postgres_recording, last, small_cluster) == []


@pytest.mark.parametrize(
    ("parts", "every"), [(1, 300), pytest.param(3, 1, marks=[pytest.mark.long, pytest.mark.timeout(7200)])]
)
def test_no_power_cut_takes_an_acknowledged_write_from_postgresql(
    postgres_recording, small_cluster, tell, parts, every
) -> None:
    states = 0
    wrong: list[str] = []
    since = beginning(postgres_recording)
    # PostgreSQL syncs the files of its tables and not the folder that they lie in: it counts on the file system.
    for state in disk_states(
        postgres_recording, parts=parts, seed=SEED, every=every, since=since, names_with_files=True
    ):
        wrong += wrong_of_postgres(postgres_recording, state, small_cluster)
        states += 1
    moments = sum(isinstance(operation, Sync) for operation in postgres_recording.operations[since:])
    tell(f"PostgreSQL, {moments} moments, seed {SEED}: {len(wrong)} wrong in {states} power-cut states")
    assert wrong == []


def test_the_replay_finds_a_postgresql_that_does_not_wait_for_the_disk(postgres_recording, small_cluster) -> None:
    logs = {
        node
        for operation in postgres_recording.operations
        if isinstance(operation, Name)
        for _, name, node in operation.changes
        if len(name) == 24 and set(name) <= set("0123456789ABCDEF")
    }
    nothing, since = Sync(-1, 0), beginning(postgres_recording)
    hasty = Recording(
        [
            nothing if at > since and isinstance(op, Sync) and op.node in logs else op
            for at, op in enumerate(postgres_recording.operations)
        ],
        postgres_recording.folders,
    )
    acknowledged = next(at for at in range(len(hasty.operations)) if told_by(hasty, at).count == EDITS)
    state = next(
        state
        for state in disk_states(hasty, parts=0, seed=0, since=acknowledged, names_with_files=True)
        if state.label.endswith("none")
    )
    assert any("is lost" in each for each in wrong_of_postgres(hasty, state, small_cluster))
