"""Features that somebody posts, into one layer as one revision; the answer says for each what became of it.

A text of up to `PLAIN_BYTES` is read at once; a longer one lies in a file and is read block by block, so that no call
takes long in which nothing else of the process runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from pathserve.annotations import AnnotationStore, BulkWriter, Difference, conflict_message
from pathserve.errors import PathServeError
from pathserve.exchange.class_names import trim_annotations, trim_columns, trimmed_keys
from pathserve.formats.contract import Losses, ReadContext, SlideFrame
from pathserve.formats.geojson.blocks import Blocks
from pathserve.formats.geojson.geojson import MAX_REPAIR_SECONDS, parse_features
from pathserve.formats.geojson.geojson_file import PLAIN_BYTES
from pathserve.geometry import Size
from pathserve.geometry.gate import Gate
from pathserve.labels import Columns, FeatureIssue, NewAnnotation

# Few: a collection of garbage goes through all objects that are there while everybody waits.
_AT_ONCE = 250

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Posting:
    """Where features go, and how many of them.

    Parameters
    ----------
    size
        Level-0 size of the slide, or None when it is not known.
    """

    slide: str
    size: Size | None
    layer: str
    author: str
    max_features: int
    max_vertices: int


class FeatureIssues(Sequence[FeatureIssue]):
    """Issues in the order of their places; objects are made when they are asked for.

    A million objects that stay would be gone through by every collection of garbage, while everybody waits.
    """

    def __init__(self, issues: Iterable[FeatureIssue] = ()) -> None:
        self._indices, self._reasons = list[int](), list[int]()
        self._known: dict[tuple[str, str], int] = {}
        self._texts = list[tuple[str, str]]()
        for issue in issues:
            self.add(issue.index, issue.code, issue.message)

    def add(self, index: int, code: str, message: str) -> None:
        """Add an issue of the feature in this place."""
        self._indices.append(index)
        reason = self._known.setdefault((code, message), len(self._known))
        if reason == len(self._texts):
            self._texts.append((code, message))
        self._reasons.append(reason)

    def put_in_order(self) -> None:
        """Sort by place; those of one place stay as they came."""
        order = np.argsort(np.array(self._indices, np.int64), kind="stable")
        self._indices = np.array(self._indices, np.int64)[order].tolist()
        self._reasons = np.array(self._reasons, np.int64)[order].tolist()

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, place: int) -> FeatureIssue: ...
    @overload
    def __getitem__(self, place: slice) -> list[FeatureIssue]: ...
    def __getitem__(self, place: int | slice) -> FeatureIssue | list[FeatureIssue]:
        if isinstance(place, slice):
            pairs = zip(self._indices[place], self._reasons[place], strict=True)
            return [FeatureIssue(index, *self._texts[reason]) for index, reason in pairs]
        return FeatureIssue(self._indices[place], *self._texts[self._reasons[place]])


@dataclass(slots=True)
class Posted:
    """What became of the features of a text; every index is a place in it, from 0."""

    created: int = 0
    revision: int = 0
    ids: list[str] = field(default_factory=list)
    repaired: FeatureIssues = field(default_factory=FeatureIssues)
    refused: FeatureIssues = field(default_factory=FeatureIssues)
    losses: Losses = field(default_factory=Losses)


def post_text(store: AnnotationStore, text: bytes, posting: Posting) -> Posted:
    """Write the features of a text.

    Raises
    ------
    Invalid, TooLarge
        As `pathserve.formats.geojson.geojson.parse_features`; nothing is written then.
    """
    parsed = parse_features(
        text, frame=posting.size, max_features=posting.max_features, max_vertices=posting.max_vertices
    )
    annotations = trim_annotations(parsed.annotations, parsed.losses)
    added = store.add(posting.slide, annotations, layer=posting.layer, author=posting.author)
    refused = FeatureIssues(parsed.refused)
    for issue in added.refused:
        refused.add(parsed.sources[issue.index], issue.code, issue.message)
    refused.put_in_order()
    return Posted(
        created=added.created,
        revision=added.revision,
        ids=[str(identity) for identity in added.ids if identity is not None],
        repaired=FeatureIssues(parsed.repaired),
        refused=refused,
        losses=parsed.losses,
    )


def post_file(store: AnnotationStore, path: Path, posting: Posting) -> Posted:
    """Write the features of a text that lies in a file; raises as `post_text`, and `Conflict` as `BulkWriter.publish`.

    Memory: about 100 MB, and what is told of each feature.
    """
    if path.stat().st_size <= PLAIN_BYTES:
        return post_text(store, path.read_bytes(), posting)
    with store.bulk(posting.slide, layer=posting.layer, author=posting.author, kind="author") as bulk:
        work = _Work(posting, bulk)
        work.read(path)
        work.posted.revision = bulk.publish()
    work.posted.refused.put_in_order()
    return work.posted


class _Work:
    """One file under way."""

    def __init__(self, posting: Posting, bulk: BulkWriter) -> None:
        self.posted = Posted()
        self._posting, self._bulk = posting, bulk
        self._context = ReadContext(
            slide=SlideFrame(size=posting.size),
            losses=self.posted.losses,
            max_vertices=posting.max_vertices,
            max_features=posting.max_features,
        )
        self._count = 0
        self._notes: dict[int, list[tuple[str, str]]] = {}
        self._gate = Gate(frame=posting.size, max_vertices=posting.max_vertices, seconds=MAX_REPAIR_SECONDS)

    def read(self, path: Path) -> None:
        """Give all features to the store, in the order of the file."""
        singles, places = list[NewAnnotation](), list[int]()
        with path.open("rb", buffering=0) as file:
            for item in Blocks(file, self._context, self._note):
                if len(singles) == _AT_ONCE or (singles and isinstance(item, Columns)):
                    self._add_singles(singles, places)
                    singles, places = [], []
                if isinstance(item, Columns):
                    self._add_columns(item)
                    continue
                if isinstance(item, FeatureIssue):
                    self._refuse(self._count, item.code, item.message)
                else:
                    singles.append(item)
                    places.append(self._count)
                self._count += 1
        self._add_singles(singles, places)

    def _note(self, code: str, message: str) -> None:
        """Take note of what is changed about the feature that is read now: all before it have been counted."""
        self._notes.setdefault(self._count, []).append((code, message))

    def _refuse(self, place: int, code: str, message: str) -> None:
        self.posted.refused.add(place, code, message)

    def _add_columns(self, columns: Columns) -> None:
        good = self._gate.passing(columns)
        first = self._count
        self._count += len(columns)
        if good.all():
            self._add(columns, np.arange(first, self._count))
            return
        kept, others = np.flatnonzero(good), np.flatnonzero(~good).tolist()
        parts, places = [columns.take(kept)], [kept + first]
        for start in range(0, len(others), _AT_ONCE):
            some = others[start : start + _AT_ONCE]
            checked, among = self._checked([columns.new_annotation(row) for row in some], [first + row for row in some])
            parts.append(Columns.of(checked))
            places.append(among)
        both = np.concatenate(places)
        order = np.argsort(both)
        self._add(Columns.join(parts).take(order), both[order])

    def _add_singles(self, singles: list[NewAnnotation], places: list[int]) -> None:
        checked, kept = self._checked(singles, places)
        self._add(Columns.of(checked), kept)

    def _checked(self, singles: list[NewAnnotation], places: list[int]) -> tuple[list[NewAnnotation], Rows]:
        """Let annotations through the geometry gate one by one; gives those that pass, and their places."""
        passed, kept = list[NewAnnotation](), list[int]()
        outcomes = self._gate.check(item.geometry for item in singles)
        for item, place, checked in zip(singles, places, outcomes, strict=True):
            notes = self._notes.pop(place, [])
            if isinstance(checked, PathServeError):
                self._refuse(place, checked.code, checked.message)
                continue
            if checked.note is not None:
                notes.append(("geometry_repaired", checked.note))
            for code, message in notes:
                self.posted.repaired.add(place, code, message)
            passed.append(replace(item, geometry=checked.geometry, drawn=checked.drawn or item.drawn))
            kept.append(place)
        return passed, np.array(kept, np.int64)

    def _add(self, columns: Columns, places: Rows) -> None:
        """Give rows that passed the gate to the store; ``places`` says where each stood in the file."""
        if not len(columns):
            return
        columns = trim_columns(columns, self.posted.losses)
        added = self._bulk.add(columns, colors=trimmed_keys(self._context.colors))
        for row, difference in zip(added.conflicts.tolist(), added.differences.tolist(), strict=True):
            self._refuse(int(places[row]), "conflict", conflict_message(Difference(difference)))
        self.posted.ids += _texts(added.ids[added.ids.any(axis=1)])
        self.posted.created += len(columns) - len(added.known) - len(added.conflicts)


def _texts(ids: npt.NDArray[np.uint8]) -> list[str]:
    """Write (N, 16) ids as RFC 9562 has them."""
    texts = (row.tobytes().hex() for row in ids)
    return [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts]
