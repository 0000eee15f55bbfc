"""Uploads: scans that come in parts over the network, alone or as a set of files, and become ingest jobs."""

import fcntl
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pathserve.db import Database, Transaction, Value, as_int, now
from pathserve.errors import Busy, Conflict, Invalid, NotFound, TooLarge
from pathserve.ingest.upload_file import UploadFile, durable_size, safe_relative
from pathserve.jobs.records import source_text
from pathserve.labels import clean_name

KEEP_SECONDS = 7 * 24 * 3600
"""How long an upload that nobody goes on with is kept."""

MAX_OPEN = 1000
"""Most unfinished uploads of one account."""

MAX_SET_FILES = 20_000
"""Most files of one set."""

_MARKS, _LOCK = ".marks", ".lock"
_ONE = "scan"
"""A scan of one file lies alone in a folder of its own: what lies beside a scan can be taken for a part of it."""

_SET_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What somebody wants to upload.

    Parameters
    ----------
    length
        Size in bytes.
    project, name
        For the slide that it becomes; of a set they come when it ends.
    set_key, path
        The set that it belongs to, by the name that the client made for it, and its relative path in there.
    """

    length: int
    project: str
    name: str | None = None
    set_key: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload; ``job`` is the ingest job that it became, if any."""

    id: str
    account: str
    length: int
    project: str
    name: str | None
    set_id: str | None
    path: str | None
    complete: bool
    job: str | None
    created: datetime


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much may come.

    Parameters
    ----------
    max_bytes
        Most bytes of one upload, and of all files of one set together.
    require_room
        Raises `Busy` when that many bytes more would leave too little of the disk.
    """

    max_bytes: int
    require_room: Callable[[int], None]


Enqueue = Callable[[Path, str, str | None, str], str]
"""Makes a job of a file or folder: path, project, name, account; gives the job's id."""

_COLUMNS = (
    "upload.id, upload.account, length, project, name, upload_set, path, complete, "
    "coalesce(upload.job, upload_set.job), upload.created"
)
_FROM = "upload left join upload_set on upload_set.id = upload.upload_set"


class Uploads:
    """The uploads of a data folder; every method blocks its thread. An upload belongs to the account that began it.

    File names are a patient's identity as often as not: that of a single file is never taken, and the relative paths of
    a set, which its format needs, are gone when its job has ended.

    Parameters
    ----------
    folder
        ``<data>/uploads``; made when first needed.
    """

    def __init__(self, db: Database, folder: Path, limits: UploadLimits, enqueue: Enqueue) -> None:
        self._db = db
        self._folder = folder
        self._limits = limits
        self._enqueue = enqueue
        self._thread_lock = threading.Lock()

    # one upload

    def create(self, account: str, wanted: NewUpload) -> Upload:
        """Begin an upload; one of a path that the set has already, with the same length, goes on.

        So a client that missed the answer asks again and learns where its upload stands.

        Raises
        ------
        TooLarge, Busy
            When it is over a limit, or the disk would be too full.
        Invalid, Conflict
            When its path is none, or there is another file of this path in the set.
        """
        _require_fitting(self._limits, wanted)
        upload_id = secrets.token_urlsafe(16)
        path = None if wanted.path is None else str(safe_relative(wanted.path))
        project = clean_name(wanted.project, "project name")
        name = None if wanted.name is None else clean_name(wanted.name, "slide name")

        def work(tx: Transaction) -> Upload:
            known = _find_path(tx, account, wanted, path)
            if known is not None:
                return _find(tx, known, account)
            open_now = tx.row("select count(*) from upload where account = ? and complete = 0", account)
            if open_now is not None and as_int(open_now[0]) >= MAX_OPEN:
                raise Busy(f"An account has at most {MAX_OPEN:,} unfinished uploads; finish or cancel some.")
            set_id = None if wanted.set_key is None else self._open_set(tx, account, wanted.set_key, wanted.length)
            tx.run(
                "insert into upload (id, account, length, project, name, upload_set, path, complete, created) "
                "values (?, ?, ?, ?, ?, ?, ?, 0, ?)",
                *(upload_id, account, wanted.length, project, name, set_id, path, now()),
            )
            return _find(tx, upload_id, account)

        self._limits.require_room(wanted.length + self._outstanding())
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._db.write(work)

    def find(self, upload_id: str, account: str) -> Upload:
        """Find an upload of an account.

        Raises
        ------
        NotFound
            When there is none, or it is somebody else's.
        """
        return self._db.read(lambda tx: _find(tx, upload_id, account))

    def offset(self, upload: Upload) -> int:
        """Tell how many bytes are on disk for good."""
        return upload.length if upload.complete else durable_size(self._path(upload), self._mark(upload))

    def expires(self, upload: Upload) -> datetime:
        """Tell when the upload is thrown away unless more of it comes."""
        return datetime.fromtimestamp(self._touched(upload) + KEEP_SECONDS, UTC)

    def grow(self, upload: Upload) -> UploadFile:
        """Take hold of the upload's file to append to it.

        Raises
        ------
        Conflict
            When it has all its bytes already.
        Busy
            When somebody else is appending, or the disk is too full.
        """
        if upload.complete:
            raise Conflict("This upload has all its bytes.", code="wrong_offset")
        file = UploadFile(self._path(upload), self._mark(upload))
        try:
            self._limits.require_room(max(upload.length - file.offset, 0))
        except BaseException:
            file.close()
            raise
        return file

    def finish(self, upload: Upload) -> Upload:
        """Note that all bytes have come; what is no part of a set becomes a job. Done again, it changes nothing.

        Raises
        ------
        NotFound
            When it was cancelled meanwhile.
        """
        with self._finishing():
            found = self.find(upload.id, upload.account)
            if found.complete or self.offset(found) < found.length:
                return found
            job = None
            if found.set_id is None:
                job = self._make_job(self._path(found).parent, found.project, found.name, found.account)
            sql = "update upload set complete = 1, job = ? where id = ?"
            self._db.write(lambda tx: tx.run(sql, job, found.id))
            return self.find(upload.id, upload.account)

    def remove(self, upload: Upload) -> None:
        """Cancel an upload; its bytes are deleted.

        Raises
        ------
        Conflict
            When it has become a job, which can be cancelled itself.
        """
        with self._finishing():
            if self.find(upload.id, upload.account).job is not None:
                raise Conflict("This upload has become a job; cancel the job.")
            self._forget([upload])

    # sets

    def ingest_set(self, account: str, key: str, *, project: str, name: str | None) -> str:
        """End a set: all its files together become one job. Done again, it gives the same job.

        Raises
        ------
        NotFound
            When the account has no such set.
        Conflict
            When a file of it is not complete (code ``upload_incomplete``).
        """
        project = clean_name(project, "project name")
        name = None if name is None else clean_name(name, "slide name")
        with self._finishing():
            set_id, job = self._db.read(lambda tx: _find_set(tx, account, key))
            if job is not None:
                return job
            missing = self._db.read(
                lambda tx: tx.row("select 1 from upload where upload_set = ? and complete = 0 limit 1", set_id)
            )
            if missing is not None:
                raise Conflict("Some files of this set are not complete.", code="upload_incomplete")
            made = self._make_job(self._folder / set_id, project, name, account)

            def work(tx: Transaction) -> None:
                tx.run("update upload_set set job = ? where id = ?", made, set_id)
                tx.run("update upload set path = null where upload_set = ?", set_id)

            self._db.write(work)
        self._db.overwrite_deleted()
        return made

    def remove_set(self, account: str, key: str) -> None:
        """Cancel a set with all that has come of it.

        Raises
        ------
        NotFound, Conflict
            When there is none, or it has become a job.
        """
        with self._finishing():
            set_id, job = self._db.read(lambda tx: _find_set(tx, account, key))
            if job is not None:
                raise Conflict("This set has become a job; cancel the job.")
            self._db.write(lambda tx: tx.run("delete from upload_set where id = ?", set_id))
            shutil.rmtree(self._folder / set_id, ignore_errors=True)
        self._db.overwrite_deleted()

    def sweep(self) -> None:
        """Throw away what nobody has gone on with for a week, and finish what had all its bytes when a server died."""
        before = datetime.fromtimestamp(time.time() - KEEP_SECONDS, UTC).isoformat(timespec="milliseconds")
        for upload in self._select("complete = 0 and upload_set is null"):
            with suppress(NotFound):
                self.finish(upload)
        old = [
            upload
            for upload in self._select("upload.created < ?", before)
            if upload.job is not None or self._touched(upload) < time.time() - KEEP_SECONDS
        ]
        self._forget(old)
        empty = (
            "delete from upload_set where created < ? "
            "and not exists (select 1 from upload where upload.upload_set = upload_set.id) returning id, job"
        )
        for set_id, job in self._db.write(lambda tx: tx.rows(empty, before)):
            if job is None:
                shutil.rmtree(self._folder / str(set_id), ignore_errors=True)

    # inside

    @contextmanager
    def _finishing(self) -> Iterator[None]:
        """Let one request of all servers end uploads at a time: two at once must not make two jobs of one."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._thread_lock:
            descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    def _make_job(self, path: Path, project: str, name: str | None, account: str) -> str:
        """Make the job of an upload; one that a server made right before it died is found again."""
        sql = "select id from job where source = ? and keep_source = 0"
        row = self._db.read(lambda tx: tx.row(sql, source_text((path.absolute(),))))
        return str(row[0]) if row is not None else self._enqueue(path, project, name, account)

    def _open_set(self, tx: Transaction, account: str, key: str, length: int) -> str:
        if not _SET_KEY.fullmatch(key):
            raise Invalid("A set's id has 8 to 64 letters, digits, `-` and `_`.")
        found = tx.row("select id, job from upload_set where account = ? and key = ?", account, key)
        if found is None:
            set_id = secrets.token_urlsafe(16)
            tx.run(
                "insert into upload_set (id, account, key, created) values (?, ?, ?, ?)", set_id, account, key, now()
            )
            return set_id
        if found[1] is not None:
            raise Conflict("This set has ended.")
        held = tx.row("select count(*), coalesce(sum(length), 0) from upload where upload_set = ?", found[0])
        if held is not None and as_int(held[0]) >= MAX_SET_FILES:
            raise TooLarge(f"A set has at most {MAX_SET_FILES:,} files.")
        if held is not None and as_int(held[1]) + length > self._limits.max_bytes:
            raise TooLarge(f"A set has at most {self._limits.max_bytes:,} bytes.")
        return str(found[0])

    def _outstanding(self) -> int:
        """Count the bytes that unfinished uploads of all accounts still may bring."""
        return sum(max(u.length - _size(self._path(u)), 0) for u in self._select("complete = 0"))

    def _select(self, condition: str, *values: Value) -> list[Upload]:
        sql = f"select {_COLUMNS} from {_FROM} where {condition}"  # noqa: S608 - constants only
        return [_upload(row) for row in self._db.read(lambda tx: tx.rows(sql, *values))]

    def _path(self, upload: Upload) -> Path:
        if upload.set_id is None:
            return self._folder / upload.id / _ONE
        return self._folder / upload.set_id / (upload.path or upload.id)

    def _mark(self, upload: Upload) -> Path:
        return self._folder / _MARKS / upload.id

    def _touched(self, upload: Upload) -> float:
        try:
            return self._path(upload).stat().st_mtime
        except OSError:
            return upload.created.timestamp()

    def _forget(self, uploads: list[Upload]) -> None:
        """Delete uploads; the bytes of those that have become jobs are the jobs' own."""
        if not uploads:
            return
        self._db.write(lambda tx: tx.run_many("delete from upload where id = ?", [(u.id,) for u in uploads]))
        for upload in uploads:
            if upload.job is None:
                if upload.set_id is None:
                    shutil.rmtree(self._path(upload).parent, ignore_errors=True)
                else:
                    self._path(upload).unlink(missing_ok=True)
            self._mark(upload).unlink(missing_ok=True)
        self._db.overwrite_deleted()


def _require_fitting(limits: UploadLimits, wanted: NewUpload) -> None:
    if wanted.length > limits.max_bytes:
        raise TooLarge(f"An upload has at most {limits.max_bytes:,} bytes.")
    if (wanted.set_key is None) != (wanted.path is None):
        raise Invalid("A file of a set has both `set` and `path`; a scan of one file has neither.")
    if wanted.length == 0 and wanted.path is None:
        raise Invalid("A scan has more than 0 bytes.")


def _find(tx: Transaction, upload_id: str, account: str) -> Upload:
    sql = f"select {_COLUMNS} from {_FROM} where upload.id = ? and upload.account = ?"  # noqa: S608 - constants only
    row = tx.row(sql, upload_id, account)
    if row is None:
        raise NotFound("There is no such upload.")
    return _upload(row)


def _find_path(tx: Transaction, account: str, wanted: NewUpload, path: str | None) -> str | None:
    """Find the upload of the same path and length in the set that is wanted.

    Raises
    ------
    Conflict
        When the set has one of this path and another length.
    """
    row = tx.row(
        "select upload.id, length from upload join upload_set on upload_set.id = upload.upload_set "
        "where upload_set.account = ? and upload_set.key = ? and path = ?",
        *(account, wanted.set_key, path),
    )
    if row is not None and as_int(row[1]) != wanted.length:
        raise Conflict("This set has a file of this path already, of another size.")
    return None if row is None else str(row[0])


def _find_set(tx: Transaction, account: str, key: str) -> tuple[str, str | None]:
    row = tx.row("select id, job from upload_set where account = ? and key = ?", account, key)
    if row is None:
        raise NotFound("There is no such set of uploads.")
    return str(row[0]), None if row[1] is None else str(row[1])


def _upload(row: tuple[Value, ...]) -> Upload:
    upload_id, account, length, project, name, set_id, path, complete, job, created = row
    return Upload(
        id=str(upload_id),
        account=str(account),
        length=as_int(length),
        project=str(project),
        name=None if name is None else str(name),
        set_id=None if set_id is None else str(set_id),
        path=None if path is None else str(path),
        complete=bool(complete),
        job=None if job is None else str(job),
        created=datetime.fromisoformat(str(created)),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
