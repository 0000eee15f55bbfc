"""Judging a slide of the catalog and keeping what was found."""

from collections.abc import Iterable, Iterator
from typing import Any

from pathserve.catalog import Catalog, SlideRecord
from pathserve.catalog.judgements import METHOD_VERSION, StoredJudgement
from pathserve.config import Settings
from pathserve.errors import PathServeError
from pathserve.ingest.quality.hints import Hint
from pathserve.ingest.quality.judge import Judgement, judge
from pathserve.pyramid import Pyramid
from pathserve.pyramid.stores import open_slides

_DIGITS = 4


def judge_slide(slide: SlideRecord, *, settings: Settings, catalog: Catalog) -> StoredJudgement:
    """Judge a slide and keep the result; what goes wrong is kept as the reason why there is none.

    Raises
    ------
    PathServeError
        When the database does not take the result, or the slide is gone.
    """
    detail: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None
    tissue, reason = None, None
    try:
        found = judge(Pyramid.open(open_slides(settings).files(slide.id)))
    except PathServeError as error:
        reason = error.message
    except (OSError, ValueError, ArithmeticError, MemoryError):
        # A picture that no formula foresaw: the slide is as good as without a judgement.
        reason = "The slide could not be judged."
    else:
        summary, detail, tissue = summary_of(found), detail_of(found), found.mask
    stored = StoredJudgement(slide.id, slide.generation, METHOD_VERSION, summary, reason)
    catalog.judgements.put(stored, detail=detail, tissue=tissue)
    return stored


def judge_at_ingest(slide_id: str, *, settings: Settings, catalog: Catalog) -> None:
    """Judge a slide at the end of its ingest, which never fails for that: `pathserve quality` can judge it later."""
    try:
        judge_slide(catalog.slide(slide_id), settings=settings, catalog=catalog)
    except PathServeError:
        return


def judged(
    slides: Iterable[SlideRecord], *, settings: Settings, catalog: Catalog
) -> Iterator[tuple[SlideRecord, StoredJudgement]]:
    """Give each slide's judgement, judging those that were not yet: never, with older pixels or by an older method."""
    slides = list(slides)
    known = catalog.judgements.of(slide.id for slide in slides)
    for slide in slides:
        stored = known.get(slide.id)
        if stored is None or stored.summary is None or not stored.is_current(slide):
            stored = judge_slide(slide, settings=settings, catalog=catalog)
        yield slide, stored


def summary_of(found: Judgement) -> dict[str, Any]:
    """Give what a list of slides shows."""
    return {
        "tissue_share": _rounded(found.tissue_share),
        "focus": _rounded(found.focus),
        "hints": [_hint(hint) for hint in found.hints],
    }


def detail_of(found: Judgement) -> dict[str, Any]:
    """Give what one slide's own page shows besides."""
    return {
        "parts": [list(box) for box in found.parts],
        "blur_limit": _rounded(found.blur_limit),
        "tiles": [{"box": list(tile.box), "blur": _rounded(tile.blur)} for tile in found.tiles],
        "mask_downsample": found.mask_downsample,
    }


def _hint(hint: Hint) -> dict[str, Any]:
    return {
        "kind": hint.kind,
        "share": _rounded(hint.share),
        "boxes": [list(box) for box in hint.boxes],
        "sentence": hint.sentence,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
