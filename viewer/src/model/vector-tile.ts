/** Vector tiles of objects on the slide's own DeepZoom grid: which tile is where, and what one holds. */
import type { Box } from './geometry'
import { deepZoomResolutions, maxDeepZoomLevel, type Slide, type TileAddress } from './slide'

/** Units across one tile. */
export const EXTENT = 4096
/** Levels past the last one: its tiles are drawn larger, so that outlines stay sharp far in. */
const ENLARGED_LEVELS = 5
/** Out to this downsample tiles hold every object; further out small ones are only counted. */
export const MOST_DETAILED_DOWNSAMPLE = 8

type Grid = Pick<Slide, 'width' | 'height' | 'tile_size'>

/** Where a vector tile is, and how its units lie on the slide. */
export interface TilePlace {
  readonly url: string
  /** The slide's revision that the tile shows. */
  readonly revision: number
  /** Top-left corner in level-0 pixels. */
  readonly x: number
  readonly y: number
  /** Level-0 pixels of one unit. */
  readonly unit: number
}

/** The part of a tile that is drawn: all of it, or of an enlarged one its piece. */
export interface TilePart {
  /** Pixels of the picture for each unit. */
  readonly scale: number
  /** Pixels of the enlarged tile that lie left of and above the part. */
  readonly left: number
  readonly top: number
}

/** Level-0 pixels per pixel of a tile, for all levels that objects are drawn in. */
export function objectResolutions(slide: Grid): number[] {
  const enlarged = Array.from({ length: ENLARGED_LEVELS }, (_, n) => 2 ** -(n + 1))
  return [...deepZoomResolutions(slide), ...enlarged]
}

/** Level-0 box of a tile, whole also where the slide ends before. */
export function tileBox(slide: Grid, { level, col, row }: TileAddress): Box {
  const side = slide.tile_size * 2 ** (maxDeepZoomLevel(slide) - level)
  return [col * side, row * side, (col + 1) * side, (row + 1) * side]
}

/** The tile that holds the objects of a drawn one, and which part of it is drawn. */
export function sourceOf(slide: Grid, tile: TileAddress): { readonly source: TileAddress; readonly part: TilePart } {
  const past = Math.max(0, tile.level - maxDeepZoomLevel(slide))
  const times = 2 ** past
  const [col, row] = [Math.floor(tile.col / times), Math.floor(tile.row / times)]
  const side = slide.tile_size
  const part = {
    scale: (side / EXTENT) * times,
    left: (tile.col - col * times) * side,
    top: (tile.row - row * times) * side,
  }
  return { source: { level: tile.level - past, col, row }, part }
}

/** The level whose tiles are drawn when one level-0 pixel has `zoom` screen pixels; never an enlarged one. */
export function levelAt(slide: Grid, zoom: number): number {
  const highest = maxDeepZoomLevel(slide)
  return Math.max(0, Math.min(highest, highest + Math.round(Math.log2(zoom))))
}

/** The level furthest out that still has every object. */
export function detailedLevel(slide: Grid): number {
  return Math.max(0, maxDeepZoomLevel(slide) - Math.log2(MOST_DETAILED_DOWNSAMPLE))
}

/** Tiles of a level that meet a level-0 box and the slide. */
export function tilesIn(slide: Grid, level: number, [x0, y0, x1, y1]: Box): TileAddress[] {
  const side = slide.tile_size * 2 ** (maxDeepZoomLevel(slide) - level)
  const last = [Math.ceil(slide.width / side) - 1, Math.ceil(slide.height / side) - 1] as const
  const tiles: TileAddress[] = []
  for (let row = Math.max(0, Math.floor(y0 / side)); row <= Math.min(last[1], Math.floor(y1 / side)); row++) {
    for (let col = Math.max(0, Math.floor(x0 / side)); col <= Math.min(last[0], Math.floor(x1 / side)); col++) {
      tiles.push({ level, col, row })
    }
  }
  return tiles
}

/** Address of a tile as the objects were at `revision`. */
export function objectTileUrl({ id }: Pick<Slide, 'id'>, { level, col, row }: TileAddress, revision: number): string {
  return `/api/slides/${encodeURIComponent(id)}/annotations/tiles/${level}/${col}/${row}?r=${revision}`
}

/** How one tile lies on the slide. */
export function placeOf(slide: Grid & Pick<Slide, 'id'>, source: TileAddress, revision: number): TilePlace {
  const [x, y, right] = tileBox(slide, source)
  return { url: objectTileUrl(slide, source, revision), revision, x, y, unit: (right - x) / EXTENT }
}
