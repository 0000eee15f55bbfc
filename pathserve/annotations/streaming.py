"""All annotations of an answer, a chunk at a time: what a whole slide's export reads."""

from collections.abc import Iterator
from dataclasses import replace

from pathserve.annotations.chunk_reader import ChunkReader, ChunkRef, UnreadChunk
from pathserve.annotations.chunk_shapes import load_kernels_for
from pathserve.annotations.directory import Directories
from pathserve.annotations.matching import match_attributes, needs_columns
from pathserve.annotations.query import AnnotationQuery
from pathserve.annotations.reading import SOURCES_AT_ONCE, Found, Plan, Source, make_plan, read_sources
from pathserve.annotations.revisions import current_revision, resolve_revision
from pathserve.db import Database, Transaction
from pathserve.labels import Columns


def stream_columns(
    db: Database, reader: ChunkReader, directories: Directories, query: AnnotationQuery
) -> Iterator[Columns]:
    """Read all answers with their properties, all of the same revision, each of one layer; in no particular order.

    Nothing is kept, so that an export does not drive out what viewports need. Memory: `SOURCES_AT_ONCE` chunks as they
    are stored, and one of them unpacked.
    """

    def plan_of(tx: Transaction) -> Plan:
        newest = current_revision(tx, query.slide)
        revision = newest if query.as_of is None else resolve_revision(tx, query.slide, query.as_of)
        return make_plan(tx, query, revision=revision, newest=newest, directories=directories)

    plan = db.read(plan_of)
    sources = plan.sources
    load_kernels_for(len(sources))
    for start in range(0, len(sources), SOURCES_AT_ONCE):
        yield from _stream(db, reader, plan, sources[start : start + SOURCES_AT_ONCE])


def _stream(db: Database, reader: ChunkReader, plan: Plan, sources: list[Source]) -> Iterator[Columns]:
    chunks = [] if needs_columns(plan.query) else [source for source in sources if isinstance(source, ChunkRef)]
    later = {chunk.id for chunk in chunks}
    others = [source for source in sources if not (isinstance(source, ChunkRef) and source.id in later)]

    def read(tx: Transaction) -> tuple[list[UnreadChunk], list[Found]]:
        found = read_sources(tx, reader, plan, others, columns=True, properties=True)
        return reader.unread(tx, chunks), list(found)

    unread, found = db.read(read)
    for one in found:
        if one.columns is not None:
            yield replace(one.columns.take(one.rows), layer=plan.layers[one.source.layer].layer.name)
    for chunk in unread:
        yield from _unpacked(plan, chunk)


def _unpacked(plan: Plan, chunk: UnreadChunk) -> Iterator[Columns]:
    told = chunk.attributes()
    mask = match_attributes(plan.query, told, plan.authored)
    hidden = plan.hidden.get(chunk.ref.id)
    if hidden is not None:
        mask[hidden] = False
    if mask.any():
        columns = chunk.columns(told, plan.layers[chunk.ref.layer].layer.name)
        yield columns if mask.all() else columns.take(mask)
