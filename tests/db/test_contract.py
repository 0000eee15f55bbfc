"""What both databases promise to the rooms above."""

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pathserve.catalog.filters import SlideFilter
from pathserve.db import Database, ascii_lower, open_database, placeholders
from pathserve.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.databases("sqlite", "postgresql")

COUNT_UP = (
    "insert into counter values (?, 1) on conflict (name) do update set value = counter.value + 1 returning value"
)

WRITER = """
import sys
from pathlib import Path
from pathserve.db import open_database

kind, where = sys.argv[1:]
db = open_database(Path(where) if kind == "sqlite" else where)
for line in sys.stdin:
    db.write(lambda tx: tx.row(%r, "other"))
    print("done", flush=True)
"""


@pytest.fixture
def other(settings) -> Iterator[Database]:
    """The same database, opened once more as another process would."""
    opened = open_database(settings.database)
    yield opened
    opened.close()


@pytest.fixture
def others(settings, db):
    """Give a function that commits in another process and returns when it has."""
    kind = "sqlite" if settings.database_url is None else "postgresql"
    command = [sys.executable, "-c", WRITER % COUNT_UP, kind, str(settings.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def commit() -> None:
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        yield commit
        process.stdin.close()


def add_projects(db: Database, *names: str) -> None:
    db.write(lambda tx: tx.run_many("insert into project (name, created) values (?, '')", ((name,) for name in names)))


def names(db: Database) -> list[object]:
    return [row[0] for row in db.read(lambda tx: tx.rows("select name from project order by name"))]


# writing


def test_changes_that_go_together_are_made_and_counted_or_none_is(db: Database) -> None:
    add_projects(db, "a", "b")
    insert = "insert into project (name, created) values (?, ?)"
    changes = [
        ("update project set created = ? where name in (?, ?)", ("x?'", "a", "b")),
        (insert, ("c", "")),
        ("delete from project where name = ?", ("d",)),
        (
            "insert into counter (name, value) select name, ? from project where name = ? on conflict do nothing",
            (5, "a"),
        ),
    ]
    assert db.write(lambda tx: tx.run_all(changes)) == [2, 1, 0, 1]
    rows = db.read(lambda tx: tx.rows("select name, created from project order by name"))
    assert rows == [("a", "x?'"), ("b", "x?'"), ("c", "")]
    assert db.read(lambda tx: tx.rows("select name, value from counter")) == [("a", 5)]
    with pytest.raises(Conflict):
        db.write(lambda tx: tx.run_all([(insert, ("e", "")), (insert, ("a", ""))]))
    with pytest.raises(Invalid, match="NUL"):
        db.write(lambda tx: tx.run_all([(insert, ("e", "")), (insert, ("f\0", ""))]))
    assert names(db) == ["a", "b", "c"]
    assert db.write(lambda tx: tx.run_all([])) == []


def test_a_failed_write_leaves_nothing_and_the_next_one_goes_through(db: Database) -> None:
    def work(tx) -> None:
        tx.run("insert into project (name, created) values ('a', '')")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        db.write(work)
    assert names(db) == []
    add_projects(db, "b")
    assert names(db) == ["b"]


def test_a_refused_statement_undoes_the_whole_write(db: Database) -> None:
    def work(tx) -> None:
        tx.run("insert into project (name, created) values ('a', '')")
        tx.run("insert into layer (slide, name, author, created) values ('nobody', '', '', '')")

    with pytest.raises(Conflict) as caught:
        db.write(work)
    assert "nobody" not in str(caught.value)
    assert names(db) == []


def test_writers_of_two_connections_wait_for_each_other(db: Database, other: Database) -> None:
    # Reading first and writing what was read is what two writers at once would get wrong.
    def count_up(tx) -> None:
        row = tx.row("select value from counter where name = 'n'")
        tx.run("delete from counter where name = 'n'")
        tx.run("insert into counter (name, value) values ('n', ?)", 1 if row is None else row[0] + 1)

    def run(database: Database) -> None:
        for _ in range(40):
            database.write(count_up)

    threads = [threading.Thread(target=run, args=(database,)) for database in (db, other, db)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.read(lambda tx: tx.row("select value from counter where name = 'n'")) == (120,)


def test_what_was_written_is_seen_by_every_later_read(db: Database, other: Database) -> None:
    for number in range(30):
        writer, reader = (db, other) if number % 2 else (other, db)
        assert writer.write(lambda tx: tx.row(COUNT_UP, "n")) == (number + 1,)
        assert reader.read(lambda tx: tx.row("select value from counter where name = 'n'")) == (number + 1,)


def test_a_write_says_how_many_rows_it_changed_without_those_that_went_with_them(db: Database) -> None:
    add_projects(db, "a", "b", "c")
    assert db.write(lambda tx: tx.run("update project set created = 'x' where name <> 'a'")) == 2
    assert db.write(lambda tx: tx.run("select * from project")) == 0
    assert db.write(lambda tx: tx.run("insert into project values ('a', '') on conflict do nothing")) == 0
    db.write(lambda tx: tx.run("insert into upload_set (id, account, key, created) values ('s', 'ada', 'k', '')"))
    upload = (
        "insert into upload (id, account, length, project, upload_set, path, complete, created) "
        "values (?, 'ada', 1, 'a', 's', ?, 0, '')"
    )
    db.write(lambda tx: tx.run_many(upload, [("1", "x"), ("2", "y")]))
    assert db.write(lambda tx: tx.run("delete from upload_set where id = 's'")) == 1
    assert db.read(lambda tx: tx.row("select count(*) from upload")) == (0,)


# reading


def test_a_reader_sees_one_snapshot_while_others_write(db: Database) -> None:
    def look(tx) -> tuple[object, object]:
        before = tx.row("select count(*) from project")
        writer = threading.Thread(target=add_projects, args=(db, "b"))
        writer.start()
        writer.join()
        return before, tx.row("select count(*) from project")

    assert db.read(look) == ((0,), (0,))
    assert names(db) == ["b"]


def test_readers_do_not_wait_for_a_writer(db: Database) -> None:
    add_projects(db, "a")

    def work(tx) -> list[object]:
        tx.run("update project set name = 'b'")
        return names(db)

    assert db.write(work) == ["a"]
    assert names(db) == ["b"]


def test_rows_come_one_by_one_and_two_queries_at_once(db: Database) -> None:
    wanted = [f"{number:05}" for number in range(1000)]
    add_projects(db, *wanted)

    def work(tx) -> list[tuple[object, object]]:
        upwards = tx.each("select name from project where name >= ? order by name", "00010")
        downwards = tx.each("select name from project order by name desc")
        pairs = [(up[0], down[0]) for up, down in zip(upwards, downwards, strict=False)]
        next(tx.each("select name from project"))  # and one that nobody reads to its end
        return pairs

    expected = list(zip(wanted[10:], reversed(wanted), strict=False))
    assert db.read(work) == expected
    assert db.write(work) == expected
    assert db.read(work) == expected


# values


def test_values_come_back_as_they_went_in(db: Database) -> None:
    def store(number: int, text: str, blob: bytes | None, real: float) -> None:
        db.write(lambda tx: tx.run("insert into project (name, created) values ('p', '') on conflict do nothing"))
        db.write(lambda tx: tx.run("delete from sign_in_link"))
        db.write(lambda tx: tx.run("delete from account"))
        db.write(lambda tx: tx.run("delete from counter"))
        db.write(lambda tx: tx.run("insert into counter values (?, ?)", text, number))
        db.write(lambda tx: tx.run("insert into account (name, role, created) values (?, 'viewer', '')", text))
        if blob is not None:
            db.write(lambda tx: tx.run("insert into sign_in_link values (?, ?, ?)", blob, text, real))
        got = db.read(
            lambda tx: tx.row(
                "select c.name, c.value, l.code_hash, l.expires from counter c "
                "left join sign_in_link l on l.account = c.name"
            )
        )
        assert got == (text, number, blob, real if blob is not None else None)
        assert [type(value) for value in got[:2]] == [str, int]

    for number in (0, -1, 2**15, 2**31, 2**63 - 1, -(2**63)):
        store(number, "a", None, 0.0)
    for text in ("", "'\"\\%?$1", "ä\u2028\U0001f9ec", "\x01\x7f", "0", "x" * 2000):
        store(1, text, None, 0.0)
    for real in (0.1, -0.1, 1e308, 5e-324, math.inf, -math.inf, 2.0**53 + 1, 7.0):
        store(1, "a", bytes(range(256)), real)
    store(1, "a", b"", 1.0)


def test_a_whole_number_stays_a_number_in_a_column_of_reals(db: Database) -> None:
    add_projects(db, "p")
    db.write(lambda tx: tx.run("insert into account (name, role, created) values ('a', 'viewer', '')"))
    db.write(lambda tx: tx.run("insert into sign_in_link values (?, 'a', ?)", b"x", 7))
    got = db.read(lambda tx: tx.row("select expires from sign_in_link"))
    assert got == (7.0,)
    assert isinstance(got[0], float)


def test_numbers_that_do_not_fit_are_refused(db: Database) -> None:
    for number in (2**63, -(2**63) - 1, 2**200):
        with pytest.raises(OverflowError):
            db.write(lambda tx, n=number: tx.run("insert into counter values ('n', ?)", n))
    assert db.read(lambda tx: tx.rows("select * from counter")) == []


def test_sums_and_means_are_pythons_numbers(db: Database) -> None:
    db.write(lambda tx: tx.run_many("insert into counter values (?, ?)", [("a", 1), ("b", 2), ("c", 2**40)]))
    total, mean, whole, nothing, is_true = db.read(
        lambda tx: tx.row(
            "select sum(value), avg(value), max(value), sum(value) filter (where value > ?), 1 = 1 from counter", 2**50
        )
    )
    assert (total, whole, nothing, is_true) == (3 + 2**40, 2**40, None, 1)
    assert type(total) is int
    assert mean == pytest.approx((3 + 2**40) / 3)
    assert type(mean) is float
    assert db.read(lambda tx: tx.row("select 7 / 2, 7 % 4, -7 / 2")) == (3, 3, -3)


def test_no_number_is_null(db: Database) -> None:
    db.write(
        lambda tx: tx.run(
            "insert into job (id, number, change, kind, state, project, label, account, keep_source, created, "
            "tiles_per_second) values ('j', 1, 1, '', '', '', '', '', 0, '', ?)",
            math.nan,
        )
    )
    assert db.read(lambda tx: tx.row("select tiles_per_second from job where tiles_per_second is null")) == (None,)
    with pytest.raises(Conflict):  # a column that must not be null
        db.write(lambda tx: tx.run("insert into counter values ('n', ?)", math.nan))


def test_the_character_nul_is_refused_everywhere(db: Database) -> None:
    for work in (
        lambda tx: tx.run("insert into counter values (?, 1)", "a\0b"),
        lambda tx: tx.run_many("insert into counter values (?, 1)", [("a",), ("a\0b",)]),
        lambda tx: tx.rows("select * from counter where name = ?", "a\0b"),
        lambda tx: tx.row("select * from counter where name = ?", "a\0b"),
        lambda tx: list(tx.each("select * from counter where name = ?", "a\0b")),
    ):
        with pytest.raises(Invalid, match="NUL"):
            db.write(work)
    assert db.read(lambda tx: tx.rows("select * from counter")) == []


def test_a_question_mark_in_quotes_is_a_text(db: Database) -> None:
    assert db.read(lambda tx: tx.row("select '?', 'it''s ?', ?, '%s' as \"a?\"", "x")) == ("?", "it's ?", "x", "%s")


# order and comparison


def test_texts_sort_and_compare_by_their_code_points(db: Database) -> None:
    texts = ["B", "a", "A", "_", "~", "ä", "Z", "z", "é", "e\u0301", "\U0001f9ec", "\uffee", "a b", "ab", "a-b", ""]
    add_projects(db, *texts)
    assert names(db) == sorted(texts)
    assert db.read(lambda tx: tx.row("select max(name), min(name) from project")) == (max(texts), "")
    above = db.read(lambda tx: tx.rows("select name from project where name > ? order by name desc", "a"))
    assert [row[0] for row in above] == sorted((text for text in texts if text > "a"), reverse=True)


def test_only_letters_of_ascii_are_alike_in_upper_and_lower_case(db: Database) -> None:
    add_projects(db, "ÄRGER 100% _x", "ärger", "Arger", "aRGER", "back\\slash")

    def found(text: str) -> list[object]:
        for special in ("\\", "%", "_"):
            text = text.replace(special, "\\" + special)
        return [
            row[0]
            for row in db.read(
                lambda tx: tx.rows(
                    "select name from project where lower(name) like ? escape '\\' order by name",
                    f"%{ascii_lower(text)}%",
                )
            )
        ]

    assert found("ARG") == ["Arger", "aRGER"]
    assert found("ÄRG") == ["ÄRGER 100% _x"]
    assert found("ärg") == ["ärger"]
    assert found("%") == found("_X") == ["ÄRGER 100% _x"]
    assert found("\\S") == ["back\\slash"]


@pytest.mark.parametrize("wanted", [[], ["b"], ["c", "a", "x"]])
def test_nothing_is_in_an_empty_list(db: Database, wanted: list[str]) -> None:
    add_projects(db, "a", "b", "c")
    sql = f"select name from project where name in ({placeholders(len(wanted))}) order by name"  # noqa: S608 - placeholders only
    assert [row[0] for row in db.read(lambda tx: tx.rows(sql, *wanted))] == sorted({*wanted} & {"a", "b", "c"})


def test_a_filter_for_no_project_finds_no_slide(db: Database) -> None:
    condition, values = SlideFilter(projects=[]).condition()
    sql = f"select slide.id from slide left join slide_case c on c.id = slide.case_id where {condition}"  # noqa: S608 - our own
    assert db.read(lambda tx: tx.rows(sql, *values)) == []


# the version


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def settled(db: Database) -> int:
    """Give the version once it is known that nobody has committed."""
    wait_for(lambda: db.version() == db.version())
    return db.version()


@pytest.fixture(autouse=True)
def no_haste(monkeypatch) -> None:
    """Let a sign of life of PostgreSQL hold for long: a busy machine is no silent network."""
    monkeypatch.setattr("pathserve.db.listener.TRUST_SECONDS", 600.0)


def test_every_own_commit_is_seen_at_once_and_no_reading(db: Database) -> None:
    settled(db)
    for _ in range(50):
        before = db.version()
        names(db)
        assert db.version() == before
        db.write(lambda tx: tx.row(COUNT_UP, "n"))
        assert db.version() != before


def test_what_is_undone_is_no_news(db: Database) -> None:
    before = settled(db)

    def fail(tx) -> None:
        tx.row(COUNT_UP, "n")
        raise NotFound("There is none.")

    with pytest.raises(NotFound):
        db.write(fail)
    assert db.version() == before


def test_every_commit_of_another_process_is_seen(db: Database, others, noticed) -> None:
    seen = {settled(db)}
    for number in range(100):
        before = db.version()
        others()
        noticed(db, before)
        seen.add(db.version())
        assert len(seen) == number + 2


@pytest.fixture
def noticed(settings):
    """Wait until a version has changed: SQLite needs no time for that, PostgreSQL a moment."""

    def wait(db: Database, before: int) -> None:
        if settings.database_url is None:
            assert db.version() != before
        wait_for(lambda: db.version() != before)

    return wait


# later


def test_what_is_done_later_is_done_in_order_by_another_thread_and_once(settings) -> None:
    db = open_database(settings.database)
    done, begun, go_on = list[tuple[str, bool]](), threading.Event(), threading.Event()

    def work(name: str) -> None:
        done.append((name, threading.current_thread() is threading.main_thread()))
        begun.set()
        assert go_on.wait(30)

    db.later("first", lambda: work("first"))
    assert begun.wait(30)
    for _ in range(1000):  # however fast they come
        db.later("second", lambda: work("second"))
        db.later("first", lambda: work("again"))
    go_on.set()
    db.close()
    assert done == [("first", False), ("second", False), ("again", False)]
    db.later("late", lambda: work("late"))
    assert len(done) == 3


def test_what_fails_later_keeps_nobody_from_what_comes_then(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise NotFound("This names somebody.")

    before = threading.active_count()
    db.later("fails", fail)
    db.later("writes", lambda: add_projects(db, "a"))
    done = threading.Event()
    db.later("ends", done.set)
    assert done.wait(30)
    assert names(db) == ["a"]
    assert ("not_found" in caplog.text, "somebody" in caplog.text) == (True, False)
    deadline = time.monotonic() + 30
    while threading.active_count() > before:  # nobody waits for nothing
        assert time.monotonic() < deadline
        time.sleep(0.01)
