"""Judges the quality of a published slide: the only place here that reads pixels, and only from our own pyramid.

A change of what it finds raises `pathserve.catalog.judgements.METHOD_VERSION`.
"""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from pathserve.errors import Unsupported
from pathserve.geometry import LevelRegion, Mpp, Size
from pathserve.ingest.quality.focus import EMPTY_PX, FINEST_MPP, MOST_BLUR, blur_of, focus_limit
from pathserve.ingest.quality.hints import (
    Hint,
    clipped_hints,
    focus_hints,
    fold_hint,
    pen_hint,
    size_hints,
    tissue_hints,
)
from pathserve.ingest.quality.marks import MOST_BOXES, find_folds, find_ink
from pathserve.ingest.quality.planes import Box, Mask, Picture, boxes_of, dilated, label_parts
from pathserve.ingest.quality.tissue import Tissue, find_tissue
from pathserve.pixels import Plane, Samples
from pathserve.pyramid import Pyramid
from pathserve.pyramid.layout import Facts
from pathserve.pyramid.windows import with_windows
from pathserve.tiles.compose import compose
from pathserve.tiles.view import DEFAULT_VIEW

OVERVIEW_MPP = 8.0
OVERVIEW_SIDE = 2048
"""Pixels: the longer side of the low-power picture when no pixel size is known."""

OVERVIEW_PIXELS = 5 << 20
MOST_TILES = 150
"""Tiles of level 0 that are looked at."""

MOST_PARTS = 32
_TILE = 256
_LEAST_COVER = 0.5
_SEED = 8
_VOLUME_MPP = 100.0


@dataclass(frozen=True, slots=True)
class FocusTile:
    """A tile of level 0 (half-open box) and its blur in pixels."""

    box: Box
    blur: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found; boxes are half-open, level-0 pixels.

    Parameters
    ----------
    tissue_share
        Share of the scanned area that is tissue.
    parts
        Boxes of the pieces of tissue, largest first, at most ``MOST_PARTS``.
    focus
        Share of the tiles looked at that are in focus, or None when none could be judged.
    blur_limit
        Blur in pixels from which a tile counts as out of focus.
    mask
        PNG of one bit a pixel: tissue on the low-power picture, which is the slide at ``mask_downsample``.
    """

    tissue_share: float
    parts: tuple[Box, ...]
    focus: float | None
    blur_limit: float | None
    tiles: tuple[FocusTile, ...]
    hints: tuple[Hint, ...]
    mask: bytes
    mask_downsample: int


def judge(pyramid: Pyramid) -> Judgement:
    """Judge a slide: tissue, marks and folds at low power, focus on a sample of its tiles.

    Memory: some ten pictures of ``OVERVIEW_PIXELS`` as float32, whatever the slide's size. Reads one low level and at
    most ``MOST_TILES`` chunks of level 0.

    Raises
    ------
    Unsupported
        When it is a volume of radiology.
    Busy
        When its low levels are still to be built.
    Corrupt
        When stored bytes are damaged.
    """
    facts = with_windows(pyramid)
    mpp = _known_mpp(facts)
    if not facts.rgb and facts.mpp is not None and facts.mpp.x > _VOLUME_MPP:
        raise Unsupported("Only slides are judged, not volumes.")
    level = overview_level(pyramid.levels, mpp)
    size = pyramid.levels[level]
    picture = _read(pyramid, facts, level, LevelRegion(0, 0, size.width, size.height))
    low_mpp = None if mpp is None else mpp * 2**level
    tissue, hints = _low_power(picture, low_mpp, 2**level, facts.size)
    focus = _Focus.of(pyramid, facts, tissue, tile_boxes(facts, tissue.mask, level), focus_limit(mpp))
    labels, count = label_parts(tissue.mask)
    parts = sorted(boxes_of(labels, count).tolist(), reverse=True)[:MOST_PARTS]
    return Judgement(
        tissue_share=tissue.share,
        parts=tuple(_to_level0((x0, y0, x1, y1), 2**level, facts.size) for _, x0, y0, x1, y1 in parts),
        focus=None if focus.limit is None or not focus.tiles else 1 - focus.blurred_share,
        blur_limit=focus.limit,
        tiles=focus.tiles,
        hints=(
            *size_hints(facts.mpp, facts.objective_power, plausible=facts.mpp_plausible),
            *hints,
            *focus.hints(mpp),
        ),
        mask=_png(tissue.mask),
        mask_downsample=2**level,
    )


def overview_level(levels: Sequence[Size], mpp: float | None) -> int:
    """Choose the level of the low-power picture: nearest to ``OVERVIEW_MPP``, and never of too many pixels."""
    if mpp is None:
        fitting = (k for k, size in enumerate(levels) if max(size.width, size.height) <= OVERVIEW_SIDE)
        return next(fitting, len(levels) - 1)
    level = min(max(round(math.log2(OVERVIEW_MPP / mpp)), 0), len(levels) - 1)
    while level < len(levels) - 1 and levels[level].width * levels[level].height > OVERVIEW_PIXELS:
        level += 1
    return level


def tile_boxes(facts: Facts, mask: Mask, level: int) -> list[Box]:
    """Choose tiles of level 0 that lie in tissue, the same ones every time; each lies in one chunk.

    Parameters
    ----------
    mask
        Tissue on ``level``.

    Returns
    -------
    Half-open boxes, level-0 pixels, at most ``MOST_TILES``, row by row.
    """
    tile, factor = facts.tile, 2**level
    rows, cols = facts.size.height // tile.height, facts.size.width // tile.width
    if not rows or not cols:
        cell = min(facts.size.width, _TILE), min(facts.size.height, _TILE)
        return [(0, 0, *cell)] if mask.mean() >= _LEAST_COVER else []
    sums = np.pad(mask.astype(np.int64), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    y0, y1 = _edges(rows, tile.height, factor, mask.shape[0])
    x0, x1 = _edges(cols, tile.width, factor, mask.shape[1])
    inside = sums[np.ix_(y1, x1)] - sums[np.ix_(y0, x1)] - sums[np.ix_(y1, x0)] + sums[np.ix_(y0, x0)]
    covered = np.argwhere(inside >= _LEAST_COVER * np.outer(y1 - y0, x1 - x0))
    if len(covered) > MOST_TILES:
        chosen = np.random.default_rng(_SEED).choice(len(covered), MOST_TILES, replace=False)
        covered = covered[np.sort(chosen)]
    width, height = min(tile.width, _TILE), min(tile.height, _TILE)
    corners = [(col * tile.width, row * tile.height) for row, col in covered.tolist()]
    return [(x, y, x + width, y + height) for x, y in corners]


@dataclass(frozen=True, slots=True)
class _Focus:
    """What the tiles of level 0 show."""

    tiles: tuple[FocusTile, ...]
    limit: float | None
    clipped: float | None

    @classmethod
    def of(cls, pyramid: Pyramid, facts: Facts, tissue: Tissue, boxes: Iterable[Box], limit: float | None) -> "_Focus":
        tiles, peaks = [], _Peaks()
        for x0, y0, x1, y1 in boxes:
            picture = _read(pyramid, facts, 0, LevelRegion(x0, y0, x1 - x0, y1 - y0), peaks)
            blur = None if limit is None else blur_of(picture)
            if blur is not None:
                tiles.append(FocusTile((x0, y0, x1, y1), blur))
        return cls(tuple(tiles), limit, peaks.share if tissue.fluorescent else None)

    @property
    def blurred_share(self) -> float:
        return len(self._worst()) / len(self.tiles)

    def hints(self, mpp: float | None) -> list[Hint]:
        """Tell about focus and exposure."""
        out = clipped_hints(self.clipped)
        if self.limit is None or not self.tiles:
            return out
        sharpest = float(np.quantile([tile.blur for tile in self.tiles], 0.1))
        soft = sharpest >= EMPTY_PX and (mpp is None or mpp >= FINEST_MPP)
        boxes = tuple(tile.box for tile in self._worst()[:MOST_BOXES])
        return [*focus_hints(self.blurred_share, len(self.tiles), boxes, all_soft=soft), *out]

    def _worst(self) -> list[FocusTile]:
        limit = MOST_BLUR if self.limit is None else self.limit
        return sorted((tile for tile in self.tiles if tile.blur >= limit), key=lambda tile: -tile.blur)


class _Peaks:
    """Counts how many values are the largest of all, over many tiles."""

    def __init__(self) -> None:
        self._top = 0.0
        self._at_top = 0
        self._seen = 0

    def add(self, values: Samples) -> None:
        """Look at one tile."""
        light = values.max(axis=2)
        top = float(light.max())
        if top > self._top:
            self._top, self._at_top = top, 0
        if top == self._top:
            self._at_top += int((light == light.max()).sum())
        self._seen += light.size

    @property
    def share(self) -> float:
        """Share of all pixels that have the largest value."""
        return self._at_top / self._seen if self._seen and self._top > 0 else 0.0


def _low_power(picture: Picture, mpp: float | None, factor: int, size: Size) -> tuple[Tissue, list[Hint]]:
    """Find tissue and marks on the low-power picture; ink is no tissue."""
    tissue = find_tissue(picture)
    ink = find_ink(picture, tissue, mpp)
    hints = []
    if ink:
        inked = np.logical_or.reduce([found.mask for found in ink.values()])
        share = float(inked.sum()) / max(1, inked.size - int(tissue.fill.sum()))
        tissue = replace(tissue, mask=tissue.mask & ~dilated(inked, 2))
        boxes = tuple(_to_level0(box, factor, size) for found in ink.values() for box in found.boxes)
        hints.append(pen_hint(sorted(ink), share, boxes[:MOST_BOXES]))
    folds = find_folds(picture, tissue, mpp)
    if folds.boxes:
        share = float(folds.mask.sum() / tissue.mask.sum())
        hints.append(fold_hint(share, tuple(_to_level0(box, factor, size) for box in folds.boxes)))
    return tissue, [*tissue_hints(tissue.share), *hints]


def _known_mpp(facts: Facts) -> float | None:
    mpp: Mpp | None = facts.mpp if facts.mpp_plausible else None
    return None if mpp is None else math.sqrt(mpp.x * mpp.y)


def _read(pyramid: Pyramid, facts: Facts, level: int, region: LevelRegion, peaks: _Peaks | None = None) -> Picture:
    """Read a region as the default view shows it, (h, w, 3) uint8."""

    def plane(at: Plane) -> Samples:
        values = pyramid.read(level, region, at)
        if peaks is not None and at.c == 0:
            peaks.add(values)
        return values

    return compose(facts, DEFAULT_VIEW, plane)


def _to_level0(box: Box, factor: int, size: Size) -> Box:
    x0, y0, x1, y1 = (edge * factor for edge in box)
    return x0, y0, min(x1, size.width), min(y1, size.height)


def _edges(count: int, tile: int, factor: int, most: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Give where each tile begins and ends on the low-power picture; at least a pixel each."""
    starts = np.minimum(np.arange(count) * tile // factor, most - 1)
    ends = np.clip((np.arange(count) + 1) * tile // factor, starts + 1, most)
    return starts.astype(np.intp), ends.astype(np.intp)


def _png(mask: Mask) -> bytes:
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG", optimize=False)
    return out.getvalue()
