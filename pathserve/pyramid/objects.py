"""Published pyramids in an object store, where nothing can be renamed and every write is for all to see.

A slide exists as soon as its manifest does, which is written last and only where none is. Before that, a publisher
claims the slide's id with an object that names its write; nobody else writes under this id then. The files of a slide
have the same keys and the same bytes as on a disk::

    <slide-id>.zarr/...      the group and its manifest
    .writers/<slide-id>      whoever publishes or removes it; gone when that is done
"""

import hashlib
import secrets
import shutil
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pathserve.errors import Conflict, Corrupt, NotFound
from pathserve.pyramid.bucket import PROBES, Bucket, Version, probe
from pathserve.pyramid.layout import MANIFEST, SUFFIX, level_folder
from pathserve.pyramid.manifest import FileRecord, Manifest, write_file
from pathserve.pyramid.shards import TAIL_BYTES, checked_tail
from pathserve.pyramid.storage import Told, load_manifest

LOOK_SECONDS = 5.0
"""How long a slide that another process has removed may still be shown."""

KEEP = timedelta(days=7)
"""How long what was never published is kept for whoever goes on with it."""

_UPLOADS = 4
_WRITERS = ".writers"
_WRITE_ID = "write-id"
_REMOVED = b"removed"
_FAILING = "What was written of the slide differs from what was meant: the disk may be failing."
_OTHERS = "Somebody else publishes or removes this slide."
_MISSING = "A part of a stored slide is missing or cannot be read."


class ObjectShard:
    """A shard of which the index was read; each chunk is one request for a part of the object.

    Raises
    ------
    Corrupt
        When the object is missing, not of its expected size, or its index is damaged.
    """

    def __init__(self, bucket: Bucket, key: str, size: int) -> None:
        self._bucket = bucket
        self._key = key
        try:
            real = bucket.head(key).size
            tail = bucket.get_range(key, real - TAIL_BYTES, TAIL_BYTES) if real >= TAIL_BYTES else b""
        except FileNotFoundError:
            raise Corrupt(_MISSING) from None
        self._index = checked_tail(tail, real, size)

    def chunk(self, slot: int, *, wait: bool = True) -> bytes | None:
        """Read the chunk of a slot; see :class:`pathserve.pyramid.storage.Shard`."""
        offset, size = int(self._index[slot, 0]), int(self._index[slot, 1])
        if offset < 0:
            return None
        if not wait:
            raise BlockingIOError
        try:
            data = self._bucket.get_range(self._key, offset, size)
        except FileNotFoundError:
            raise Corrupt(_MISSING) from None
        if len(data) != size:
            raise Corrupt("A part of a stored slide is cut off.")
        return data

    def chunk_at_hand(self, slot: int) -> bytearray | None:
        """Nothing of an object store is at hand, but for what is empty."""
        if self._index[slot, 0] < 0:
            return None
        raise BlockingIOError


class ObjectFiles:
    """The objects of one pyramid; see :class:`pathserve.pyramid.storage.Files`.

    Parameters
    ----------
    clock
        Gives seconds that only grow.
    """

    def __init__(self, bucket: Bucket, prefix: str, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self._looked: tuple[float, Hashable] | None = None

    def exists(self) -> bool:
        """Tell whether there is a manifest."""
        return self._seen() is not None

    def read(self, path: str) -> bytes:
        """Read a small file."""
        return self._bucket.get(self.key(path))[0]

    def part(self, path: str, start: int, length: int) -> bytes:
        """Read a part of a file: one request."""
        return self._bucket.get_range(self.key(path), start, length)

    def shard(self, path: str, size: int) -> ObjectShard:
        """Open a shard: its index is read."""
        return ObjectShard(self._bucket, self.key(path), size)

    def record(self, path: str) -> FileRecord:
        """Read a file to its end."""
        return self._bucket.record(self.key(path))

    def identity(self, *, wait: bool = True) -> Hashable:
        """Ask the store which manifest there is, at most every ``LOOK_SECONDS``; None when there is none."""
        looked = self._looked
        if looked is not None and self._clock() < looked[0] + LOOK_SECONDS:
            return looked[1]
        if not wait:
            raise BlockingIOError
        at = self._clock()
        seen = self._seen()
        self._looked = (at, seen)
        return seen

    def key(self, path: str) -> str:
        """Give the key of a file."""
        return f"{self._prefix}/{path}"

    def _seen(self) -> Hashable:
        try:
            return self._bucket.head(self.key(MANIFEST)).name
        except FileNotFoundError:
            return None


class ObjectSlides:
    """The slides under one address; see :class:`pathserve.pyramid.storage.Slides`.

    Memory while publishing: four shards.
    """

    def __init__(self, bucket: Bucket, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bucket = bucket
        self._clock = clock

    def probe(self) -> None:
        """Try what publishing and reading rely on."""
        probe(self._bucket)

    def files(self, slide_id: str) -> ObjectFiles:
        """Give the files of a slide."""
        return ObjectFiles(self._bucket, _prefix(slide_id), self._clock)

    def publish(self, staged: Path, slide_id: str, progress: Told = None) -> None:
        """Upload every file, checked against the manifest, and the manifest last, where none is.

        Interrupted before that, nothing is visible, and the next call with the same staging folder goes on.
        """
        raw = (staged / MANIFEST).read_bytes()
        manifest, writer = Manifest.parse(raw), _writer(staged.parent)
        self._claim(slide_id, writer, takes_over=False)
        key = self.files(slide_id).key(MANIFEST)
        if not self._holds(key, raw):
            self._upload(staged, slide_id, manifest.files, progress)
            self._delete_strays(slide_id, manifest)
            self._require_claim(slide_id, writer)
            with suppress(Conflict):  # an own write whose answer was lost is told from another's by reading it back
                self._bucket.create(key, raw)
        self._confirm(slide_id, raw)
        if not manifest.missing_levels:
            self._bucket.delete(_claim_key(slide_id))

    def publish_rest(self, staged: Path, slide_id: str, progress: Told = None) -> None:
        """Upload the levels that are missing, and put the new manifest in the place of the very one that was read."""
        raw, writer = (staged / MANIFEST).read_bytes(), _writer(staged.parent)
        files = self.files(slide_id)
        try:
            known, old = self._bucket.get(files.key(MANIFEST))
        except FileNotFoundError:
            raise NotFound("There is no such slide.") from None
        before = Manifest.parse(known)
        self._claim(slide_id, writer, takes_over=True)
        folders = tuple(f"{level_folder(level)}/" for level in before.missing_levels)
        manifest = Manifest.parse(raw)
        added = {path: record for path, record in manifest.files.items() if path.startswith(folders)}
        self._upload(staged, slide_id, added, progress)
        self._require_claim(slide_id, writer)
        with suppress(Conflict, FileNotFoundError):
            self._bucket.replace(files.key(MANIFEST), raw, old)
        self._confirm(slide_id, raw)
        self._delete_strays(slide_id, manifest)
        self._bucket.delete(_claim_key(slide_id))

    def at_hand(self, slide_id: str, staging: Path) -> Path:
        """Give the copy in the staging folder, so that a process which opens scans needs no way to the store."""
        del slide_id
        return staging.resolve() / "pyramid"

    def bring(self, slide_id: str, staging: Path) -> None:
        """Fetch what is published, unless it is still there from its build."""
        files, folder = self.files(slide_id), self.at_hand(slide_id, staging)
        raw = files.read(MANIFEST)
        with suppress(OSError):
            if (folder / MANIFEST).read_bytes() == raw:
                return
        shutil.rmtree(folder, ignore_errors=True)
        for path, expected in Manifest.parse(raw).files.items():
            try:
                record = write_file(folder / path, files.read(path))
            except FileNotFoundError:
                raise Corrupt(_MISSING) from None
            if record != expected:
                raise Corrupt("A part of a stored slide is damaged.")
        write_file(folder / MANIFEST, raw)

    @contextmanager
    def discarded(self, slide_id: str) -> Iterator[None]:
        """Delete the manifest, and at the end the rest; see :meth:`pathserve.pyramid.storage.Slides.discarded`."""
        key = self.files(slide_id).key(MANIFEST)
        try:
            raw = self._bucket.get(key)[0]
        except FileNotFoundError:
            raw = None
        # Whoever publishes levels of it meanwhile learns of it; and if this is killed, a sweep finds what is left.
        self._bucket.put(_claim_key(slide_id), _REMOVED)
        self._bucket.delete(key)
        try:
            yield
        except BaseException:
            if raw is not None:
                self._bucket.create(key, raw)
                self._bucket.delete(_claim_key(slide_id))
            raise
        self._forget(slide_id)

    def sweep(self, is_listed: Callable[[str], bool], *, keep: timedelta = KEEP) -> None:
        """Delete what has a claim and no manifest, and that nobody has gone on with for ``keep``."""
        for key, probed in self._bucket.list(PROBES).items():
            if _is_older(probed, keep):
                self._bucket.delete(key)
        for key, claim in self._bucket.list(_WRITERS).items():
            slide_id = key.rpartition("/")[2]
            if not _is_older(claim, keep):
                continue
            files = self.files(slide_id)
            if not files.exists():
                if not is_listed(slide_id):
                    self._forget(slide_id)
            elif not load_manifest(files).missing_levels:
                self._bucket.delete(key)  # of one who was killed when all was done

    def _claim(self, slide_id: str, writer: bytes, *, takes_over: bool) -> None:
        """Become the only one who writes under an id.

        Parameters
        ----------
        takes_over
            Whether another publisher's claim is taken: to add levels, which have the same bytes whoever makes them.

        Raises
        ------
        Conflict
            When somebody else is.
        """
        key = _claim_key(slide_id)
        try:
            self._bucket.create(key, writer)
        except Conflict:
            try:
                held, version = self._bucket.get(key)
                if held == writer:
                    return
                if held == _REMOVED or not takes_over:
                    raise Conflict(_OTHERS) from None
                self._bucket.replace(key, writer, version)
            except FileNotFoundError:  # they have just ended
                raise Conflict(_OTHERS) from None

    def _require_claim(self, slide_id: str, writer: bytes) -> None:
        if not self._holds(_claim_key(slide_id), writer):
            raise Conflict(_OTHERS)

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self._bucket.get(key)[0] == data
        except FileNotFoundError:
            return False

    def _confirm(self, slide_id: str, raw: bytes) -> None:
        """Read the manifest back, to be sure that it is ours which everybody sees."""
        files = self.files(slide_id)
        if self._holds(files.key(MANIFEST), raw):
            return
        if not files.exists():  # it was removed meanwhile: what was uploaded after that goes as well
            self._forget(slide_id)
        raise Conflict("A slide is published under this id already, or was removed.")

    def _upload(self, staged: Path, slide_id: str, files: Mapping[str, FileRecord], progress: Told) -> None:
        """Upload files and make sure that they arrived, and that nobody has written over them."""
        keys = {self.files(slide_id).key(path): path for path in files}

        def put(key: str) -> str | None:
            data = (staged / keys[key]).read_bytes()
            if FileRecord(len(data), hashlib.sha256(data).hexdigest()) != files[keys[key]]:
                raise Corrupt(_FAILING)
            return self._bucket.put(key, data)

        written, pool = dict[str, str | None](), ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")
        try:
            for number, (key, e_tag) in enumerate(zip(keys, pool.map(put, keys), strict=True), start=1):
                written[key] = e_tag
                if progress is not None:
                    progress(number, len(files))
        finally:
            pool.shutdown(cancel_futures=True)
        there = self._bucket.list(_prefix(slide_id))
        for key, e_tag in written.items():
            found = there.get(key)
            same = found is not None and found.e_tag == e_tag and found.size == files[keys[key]].size
            # Some stores write one tag in two ways; then the bytes themselves are asked for.
            if not same and (found is None or self._bucket.record(key) != files[keys[key]]):
                raise Conflict("The object store does not hold what was written to it.")

    def _delete_strays(self, slide_id: str, manifest: Manifest) -> None:
        """Delete what an earlier, interrupted publication of another build has left under this id."""
        files = self.files(slide_id)
        wanted = {files.key(path) for path in (*manifest.files, MANIFEST)}
        for key in self._bucket.list(_prefix(slide_id)).keys() - wanted:
            self._bucket.delete(key)

    def _forget(self, slide_id: str) -> None:
        """Delete everything of a slide, its claim last."""
        for key in self._bucket.list(_prefix(slide_id)):
            self._bucket.delete(key)
        self._bucket.delete(_claim_key(slide_id))


def open_objects(url: str) -> ObjectSlides:
    """Give the slides of an object store by its address."""
    return ObjectSlides(Bucket(url))


def _is_older(version: Version, age: timedelta) -> bool:
    return version.modified is not None and version.modified < datetime.now(UTC) - age


def _prefix(slide_id: str) -> str:
    return slide_id + SUFFIX


def _claim_key(slide_id: str) -> str:
    return f"{_WRITERS}/{slide_id}"


def _writer(staging: Path) -> bytes:
    """Name whoever publishes out of a staging folder: the same one after being killed."""
    path = staging / _WRITE_ID
    with suppress(FileNotFoundError):
        return path.read_bytes()
    writer = secrets.token_hex(16).encode()
    write_file(path, writer)
    return writer
