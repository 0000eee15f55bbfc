"""GeoJSON of any size, read in blocks: memory holds a block, what it becomes, and never more than one large feature."""

from collections.abc import Callable, Iterator
from io import BufferedIOBase, RawIOBase
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import orjson

from pathserve.errors import Invalid, TooLarge
from pathserve.formats.classification import parse_classification
from pathserve.formats.contract import Item, ReadContext
from pathserve.formats.geojson import scan_arrays as scan
from pathserve.formats.geojson.geojson import read_feature
from pathserve.formats.geojson.json_faults import Places
from pathserve.formats.geojson.json_text import (
    RECORD_SEPARATOR,
    Found,
    apart,
    read_around,
    read_document,
    read_item,
    read_member,
)
from pathserve.formats.json_head import BYTE_ORDER_MARK
from pathserve.labels import STATE, Columns, FeatureIssue, NewAnnotation, Texts, unclear
from pathserve.labels.columns import score_of
from pathserve.native import kernels_of

BLOCK_BYTES = 4 * 1024 * 1024
"""How much of a file is looked at together."""

MAX_ITEM_BYTES = 64 * 1024 * 1024
"""Most bytes of one feature, and of all that stands around the features of a collection."""

MAX_OBJECT_BYTES = 8 * 1024 * 1024
"""Most bytes of a feature that is not of the common form: they become objects, and meanwhile nothing else runs."""

_DEFAULT_STATE = "draft"
_FEW_BYTES_A_ROW, _FEW_BYTES_A_RING, _FEW_BYTES_A_POSITION = 48, 8, 6
_MOST_MEMBERS = 16
_MOST_MET = 8

MAX_CLASSES = 512
"""Different classifications of one block that the kernels tell apart."""

_BLANKS = b" \t\r\n"
_NEWLINE = ord("\n")

Changed = Callable[[str, str], None]


def _kernels() -> SimpleNamespace:
    return kernels_of("pathserve.formats.geojson.scan")


class _Window:
    """A window of a file: bytes ``place`` to ``end`` of ``data`` are not read yet; it grows up to a limit.

    Parameters
    ----------
    file
        Read from where it stands.
    """

    def __init__(self, file: RawIOBase | BufferedIOBase) -> None:
        self._file = file
        self.size = BLOCK_BYTES
        self.data = np.zeros(self.size + 1, np.uint8)  # behind the last byte stands a 0, where all kernels stop
        self.place = self.end = 0
        self.final = False
        self._before = 0  # bytes of the file before data[0]
        self._lines = 1  # of the file, at data[0]
        self._counted = 0, 1  # a place of the window, and its line

    def more(self) -> bool:
        """Read on; False at the end of the file.

        Raises
        ------
        TooLarge
            When what is not read yet fills all that may be held at once.
        """
        if self.final:
            return False
        kept = self.end - self.place
        data = self.data
        if 2 * kept > self.size:
            if self.size >= 2 * MAX_ITEM_BYTES:
                raise TooLarge(
                    f"What begins {self.where()} does not end within {MAX_ITEM_BYTES:,} bytes.",
                    code="feature_too_large",
                )
            self.size *= 2
            data = np.zeros(self.size + 1, np.uint8)
        self._lines += int(np.count_nonzero(self.data[: self.place] == _NEWLINE))
        self._before += self.place
        self._counted = 0, self._lines
        data[:kept] = self.data[self.place : self.end].copy()
        self.data, self.place, self.end = data, 0, kept
        free = memoryview(data.data)[: self.size]
        while self.end < self.size and not self.final:
            # In pieces: one read of a pipe gives what there is.
            count = self._file.readinto(free[self.end :])
            self.end += count or 0
            self.final = not count
        data[self.end] = 0
        return True

    def skip_blanks(self) -> int:
        """Go on to the next byte that is no blank, and give it; -1 at the end of the file."""
        while True:
            rest = self.data[self.place : self.end]
            found = np.flatnonzero(~np.isin(rest[:64], _BLANK_BYTES))
            if len(found):
                self.place += int(found[0])
                return int(self.data[self.place])
            if len(rest) > 64:
                self.place += 64
                continue
            self.place = self.end
            if not self.more():
                return -1

    def text(self, start: int, end: int) -> bytes:
        """Give some bytes of the window."""
        return self.data[start:end].tobytes()

    def where(self, place: int | None = None) -> str:
        """Say where in the file a place of the window is."""
        byte, line = self.spot(self.place if place is None else place)
        return f"at byte {byte:,}, line {line:,}"

    def spot(self, place: int) -> tuple[int, int]:
        """Give the byte and the line of the file at a place of the window."""
        counted, lines = self._counted if place >= self._counted[0] else (0, self._lines)
        lines += self.data[counted:place].tobytes().count(b"\n")
        self._counted = place, lines
        return self._before + place, lines


_BLANK_BYTES = np.frombuffer(_BLANKS, np.uint8)


class _Arrays:
    """What the kernels fill from one window; made again when the window has grown."""

    def __init__(self, size: int) -> None:
        rows, rings = size // _FEW_BYTES_A_ROW + 16, size // _FEW_BYTES_A_RING + 16
        xy, scores = np.empty(2 * (size // _FEW_BYTES_A_POSITION + 16)), np.zeros(rows)
        self.size = size
        self.shapes = scan.Shapes(
            xy=xy,
            bits=xy.view(np.uint64),
            ring_starts=np.zeros(rings, np.int64),
            part_starts=np.zeros(rings, np.int64),
            starts=np.zeros(rows + 1, np.int64),
            part_rings=np.zeros(rings, np.int64),
        )
        self.rows = scan.Rows(
            ids=np.zeros((rows, 16), np.uint8),
            kinds=np.zeros(rows, np.uint8),
            class_at=np.zeros(rows, np.int32),
            classes=np.zeros((MAX_CLASSES, 2), np.int64),
            scores=scores,
            score_bits=scores.view(np.uint64),
            flags=np.zeros(rows, np.uint8),
            out=np.empty(2 * size + 1024, np.uint8),
            out_ends=np.zeros(rows + 1, np.int64),
            foreign=np.zeros(_MOST_MEMBERS, np.int64),
            met=np.zeros((_MOST_MET + 1, scan.MEMBERS), np.int64),
            counts=np.zeros(scan.COUNTERS, np.int64),
        )
        self.items = scan.Items(
            starts=np.zeros(rows - 1, np.int64), ends=np.zeros(rows - 1, np.int64), rows=np.zeros(rows - 1, np.int64)
        )
        self._memory = scan.Memory(
            names=np.zeros(scan.TABLE, np.uint64),
            stamps=np.zeros(scan.TABLE, np.int64),
            stack=np.zeros(scan.MAX_DEPTH + 1, np.int64),
            marks=np.zeros(2, np.int64),
        )

    def scan(self, window: _Window, around: int) -> int:
        """Find the items of the window and move its place behind them; tells how it ended."""
        counts = self.rows.counts
        expect = counts[scan.EXPECT]
        counts[:] = 0
        counts[scan.EXPECT] = expect
        about = window.data, window.place, window.end, window.final, around
        ended = _kernels().scan_items(*about, *self.shapes, *self.rows, *self.items, *self._memory)
        window.place = int(counts[scan.PLACE])
        return int(ended)


class Blocks:
    """Reads one file.

    Parameters
    ----------
    file
        Binary, from its beginning.
    changed
        Told a code and a sentence for what is changed about the feature that is given next; the losses of the context
        count it when None.
    """

    def __init__(self, file: RawIOBase | BufferedIOBase, context: ReadContext, changed: Changed | None = None) -> None:
        self._window = _Window(file)
        self._context = context
        self._changed = changed
        self._arrays = _Arrays(self._window.size)
        self._count = 0

    def __iter__(self) -> Iterator[Item]:
        """Give the file's items.

        Raises
        ------
        Invalid
            When the text as a whole is not JSON or not GeoJSON; says where.
        TooLarge
            When there are too many features, or a feature is too long.
        """
        window = self._window
        window.more()
        if window.text(0, min(3, window.end)) == BYTE_ORDER_MARK:
            window.place = 3
        first = window.skip_blanks()
        if first == ord(RECORD_SEPARATOR):
            yield from self._items(scan.RECORDS)
        elif first == ord("["):
            window.place += 1
            yield from self._items(scan.ARRAY)
            self._require_end()
        elif first == ord("{"):
            yield from self._documents()
        else:
            raise Invalid(f"The text is not JSON {window.where()}.", code="not_json")

    def _documents(self) -> Iterator[Item]:
        """Read one object, and whatever objects stand in lines below it."""
        window = self._window
        ended, place = self._look(1, stops=True)
        if ended == scan.END:
            if self._is_one_line(place):
                yield from self._items(scan.LINES)
                return
            start, window.place = window.place, place
            text = window.text(start, place)
            places = Places(text, *window.spot(start))
            self._require_end()
            yield from map(self._read, _members(text, places))
            return
        header = window.text(window.place, place - 1)
        before = Places(header, *window.spot(window.place))
        one_line = b"\n" not in header
        window.place = place
        lines = window.where().rpartition(" ")[2]
        yield from self._items(scan.ARRAY)
        ended, place = self._look(0, stops=False)
        trailer = window.text(window.place, place)
        after = Places(trailer, *window.spot(window.place))

        def where(at: int) -> str:
            return before.where(at) if at < len(header) else after.where(max(at - len(header) - 2, 0))

        read_around(header + b"[]" + trailer, where, self._context.losses.note)
        one_line = one_line and window.where(place).rpartition(" ")[2] == lines
        window.place = place
        if one_line and self._blank_until_newline():
            yield from self._items(scan.LINES)
        else:
            self._require_end()

    def _look(self, ahead: int, *, stops: bool) -> tuple[int, int]:
        """Look at an object, from so many bytes ahead on, as far as needed, reading on meanwhile."""
        window, reached = self._window, np.zeros(1, np.int64)
        while True:
            ended = _kernels().find_features(window.data, window.place + ahead, window.end, stops, reached)
            place = int(reached[0])
            if ended == scan.BAD or (ended == scan.MORE and not window.more()):
                raise Invalid(f"The text is not JSON, or cut off, {window.where(place)}.", code="not_json")
            if ended != scan.MORE:
                return int(ended), place

    def _is_one_line(self, end: int) -> bool:
        """Tell whether the object that ends at ``end`` stands in a line of its own and others follow."""
        window = self._window
        if b"\n" in window.text(window.place, end):
            return False
        while True:
            rest = window.text(end, window.end)
            line, found, after = rest.partition(b"\n")
            if line.strip() or (found and after.strip()):
                return bool(found) and not line.strip()
            length = end - window.place
            if not window.more():
                return False
            end = window.place + length

    def _blank_until_newline(self) -> bool:
        window = self._window
        while True:
            line, found, _ = window.text(window.place, window.end).partition(b"\n")
            if found or line.strip():
                return bool(found) and not line.strip()
            window.place = window.end
            if not window.more():
                return False

    def _require_end(self) -> None:
        if self._window.skip_blanks() >= 0:
            raise Invalid(f"The text goes on after its end, {self._window.where()}.", code="not_json")

    def _items(self, around: int) -> Iterator[Item]:
        """Read the items of an array or of a sequence."""
        window = self._window
        while True:
            if window.size != self._arrays.size:
                self._arrays, old = _Arrays(window.size), self._arrays
                self._arrays.rows.counts[:] = old.rows.counts
            arrays = self._arrays
            ended = arrays.scan(window, around)
            yield from self._block(around != scan.ARRAY)
            if ended == scan.END:
                arrays.rows.counts[scan.EXPECT] = 0
                return
            if ended == scan.BAD:
                wanted = "a comma or the end of the array" if arrays.rows.counts[scan.EXPECT] == 1 else "a feature"
                message = f"It is not JSON {window.where()}: {wanted} should follow {self._count:,} features."
                raise Invalid(message, code="not_json")
            if ended == scan.MORE and not window.more():
                raise Invalid(f"The text is cut off after {self._count:,} features, {window.where()}.", code="not_json")

    def _block(self, is_sequence: bool) -> Iterator[Item]:
        """Give what the kernel found, in its order."""
        arrays = self._arrays
        many = int(arrays.rows.counts[scan.ITEMS])
        first = self._count
        self._count += many
        if self._count > self._context.max_features:
            raise TooLarge(f"At most {self._context.max_features:,} features are taken.", code="too_many_features")
        columns, odd = self._columns()
        rows = arrays.items.rows[:many].copy()
        rows[np.isin(rows, odd)] = -1
        place = 0
        starts, ends = arrays.items.starts[:many].copy(), arrays.items.ends[:many].copy()
        for item in [*np.flatnonzero(rows < 0).tolist(), many]:
            if item > place:
                yield columns if item - place == len(columns) else columns.take(rows[place:item])
            place = item + 1
            if item < many:
                yield from self._slow(int(starts[item]), int(ends[item]), first + item, is_sequence)

    def _slow(self, start: int, end: int, index: int, is_sequence: bool) -> Iterator[Item]:
        """Read one item that is not of the common form."""
        if end - start > MAX_OBJECT_BYTES:
            yield FeatureIssue(
                index, "feature_too_large", f"It has more than {MAX_OBJECT_BYTES:,} bytes and is not of the usual form."
            )
            return
        text = self._window.text(start, end)
        if is_sequence:
            yield from map(self._read, read_document(text))
            return
        yield self._read(read_member(text, lambda at: self._window.where(start + at)))

    def _read(self, found: Found) -> NewAnnotation | FeatureIssue:
        return read_found(found, self._context, self._changed)

    def _columns(self) -> tuple[Columns, npt.NDArray[np.int64]]:
        """Give the rows of the block, and those of them that have to be read as objects after all."""
        shapes, found, counts = self._arrays.shapes, self._arrays.rows, self._arrays.rows.counts
        rows = int(counts[scan.ROWS])
        properties = Texts(found.out[: counts[scan.BYTES]].copy(), found.out_ends[: rows + 1].copy())
        changed = dict[int, bytes]()
        names, classes, odd_rows = self._classes(rows)
        states, state_names = np.zeros(rows, np.int32), {_DEFAULT_STATE: 0}
        odd = odd_rows.tolist()
        for row in np.flatnonzero(found.flags[:rows]).tolist():
            try:
                value = orjson.loads(properties[row] or b"{}")
            except orjson.JSONDecodeError:
                odd.append(row)
                continue
            if found.flags[row] & scan.INSPECT:
                if value.get(STATE, _DEFAULT_STATE) is None:
                    del value[STATE]
                state = value.get(STATE, _DEFAULT_STATE)
                if unclear({STATE: state}) is not None:
                    odd.append(row)
                    continue
                states[row] = state_names.setdefault(state, len(state_names))
                found.scores[row] = score_of(value)
            changed[row] = orjson.dumps(value) if value else b""
        if changed:
            properties = Texts.of(changed.get(row, text) for row, text in enumerate(properties))
        columns = Columns(
            ids=found.ids[:rows].copy(),
            numbers=np.zeros(rows, np.int64),
            revisions=np.zeros(rows, np.int64),
            firsts=np.zeros(rows, np.int64),
            kinds=found.kinds[:rows].copy(),
            classes=classes,
            class_names=names,
            states=states,
            state_names=tuple(state_names),
            scores=found.scores[:rows].copy(),
            exhaustive=np.zeros(rows, np.bool_),
            xy=shapes.xy[: 2 * counts[scan.POSITIONS]].reshape(-1, 2).copy(),
            ring_starts=shapes.ring_starts[: counts[scan.RINGS] + 1].copy(),
            part_starts=shapes.part_starts[: counts[scan.PARTS] + 1].copy(),
            starts=shapes.starts[: rows + 1].copy(),
            properties=properties,
        )
        return columns, np.array(odd, np.int64)

    def _classes(self, rows: int) -> tuple[tuple[str, ...], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Read each classification of the block once; gives names, each row's class, and rows whose class is odd."""
        found = self._arrays.rows
        names = dict[str, int]()
        table, odd = np.full(MAX_CLASSES + 1, -1, np.int32), np.zeros(MAX_CLASSES + 1, np.bool_)
        for index in range(int(found.counts[scan.CLASSES])):
            text = self._window.text(*found.classes[index].tolist())
            try:
                read = read_item(text)
                classified = parse_classification(read.value)
            except (orjson.JSONDecodeError, Invalid):
                odd[index] = True
                continue
            odd[index] = bool(classified.rest or classified.note or read.repeated_keys or read.refusal)
            if classified.name is not None and not odd[index]:
                table[index] = names.setdefault(classified.name, len(names))
                if classified.color is not None:
                    self._context.colors.setdefault(classified.name, classified.color)
        places = found.class_at[:rows]
        return tuple(names), table[places], np.flatnonzero(odd[places])


def read_found(found: Found, context: ReadContext, changed: Changed | None = None) -> NewAnnotation | FeatureIssue:
    """Read one item, and tell what is changed about it; the losses of the context count it when nobody is told."""
    notes: list[tuple[str, str]] = []
    try:
        annotation = read_feature(found, notes)
    except Invalid as error:
        return FeatureIssue(0, error.code, error.message)
    tell = changed or context.losses.note
    for code, message in notes:
        tell(code, message)
    if annotation.class_name is not None and annotation.class_color is not None:
        context.colors.setdefault(annotation.class_name, annotation.class_color)
    return annotation


def _members(text: bytes, places: Places) -> list[Found]:
    if len(text) > MAX_OBJECT_BYTES:
        raise TooLarge(f"A single object has at most {MAX_OBJECT_BYTES:,} bytes.", code="feature_too_large")
    found = read_member(text, places.where)
    if found.refusal is not None:
        code, message = found.refusal
        raise Invalid(message, code=code)
    return apart(found)
