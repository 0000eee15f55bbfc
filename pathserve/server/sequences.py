"""GeoJSON text sequences (RFC 8142) that are written while they come in: memory holds a few records, not the body."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from pathserve.annotations import AnnotationStore
from pathserve.catalog import SlideRecord
from pathserve.config import Settings
from pathserve.errors import TooLarge
from pathserve.formats import geojson
from pathserve.formats.contract import Losses
from pathserve.formats.json_text import RECORD_SEPARATOR
from pathserve.labels import FeatureIssue

_BLOCK = 1024 * 1024


@dataclass(slots=True)
class Written:
    """What became of the features of a body so far; every index is a place in the body."""

    count: int = 0
    created: int = 0
    revision: int = 0
    ids: list[str] = field(default_factory=list)
    repaired: list[FeatureIssue] = field(default_factory=list)
    refused: list[FeatureIssue] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)
    repair_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Writer:
    """Reads GeoJSON texts and writes them into one layer; its methods block."""

    store: AnnotationStore
    settings: Settings
    slide: SlideRecord
    layer: str
    author: str
    written: Written = field(default_factory=Written)

    def add(self, text: bytes) -> None:
        """Read a text and write what is in it, behind what was there before.

        Raises
        ------
        Invalid, TooLarge
            As `pathserve.formats.geojson.parse_features`.
        """
        done = self.written
        parsed = geojson.parse_features(
            text,
            frame=self.slide.size,
            max_features=self.settings.max_features - done.count,
            max_vertices=self.settings.max_vertices,
            repair_seconds=geojson.MAX_REPAIR_SECONDS - done.repair_seconds,
        )
        added = self.store.add(self.slide.id, parsed.annotations, layer=self.layer, author=self.author)
        refused = [
            *parsed.refused,
            *(FeatureIssue(parsed.sources[issue.index], issue.code, issue.message) for issue in added.refused),
        ]
        first = done.count
        done.refused += [_later(issue, first) for issue in sorted(refused, key=lambda issue: issue.index)]
        done.repaired += [_later(issue, first) for issue in parsed.repaired]
        done.ids += [str(identity) for identity in added.ids if identity is not None]
        for code, message, count in parsed.losses.items():
            done.losses.note(code, message, count)
        done.count += len(parsed.annotations) + len(parsed.refused)
        done.created += added.created
        done.revision = added.revision
        done.repair_seconds += parsed.repair_seconds


def _later(issue: FeatureIssue, first: int) -> FeatureIssue:
    return FeatureIssue(issue.index + first, issue.code, issue.message)


async def add_sequence(request: Request, writer: Writer) -> Written:
    """Write a body while it comes; whatever is no text sequence is read to its end first.

    Raises
    ------
    Invalid, TooLarge
        When the text as a whole is not GeoJSON, or there is too much of it. What came before is written by then:
        sending the same again changes nothing about it.
    """
    async for text in _texts(request, writer.settings.max_body_bytes):
        await run_in_threadpool(writer.add, text)
    return writer.written


async def _texts(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Cut a body into texts of whole records, each at least `_BLOCK` long but for the last."""
    buffer, size, given = bytearray(), 0, False
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"A request body of this address has at most {limit:,} bytes.")
        buffer += part
        if len(buffer) < _BLOCK or not buffer.lstrip().startswith(RECORD_SEPARATOR):
            continue
        end = buffer.rfind(RECORD_SEPARATOR)
        if buffer[:end].strip():
            yield bytes(buffer[:end])
            del buffer[:end]
            given = True
    if buffer.strip() or not given:
        yield bytes(buffer)
