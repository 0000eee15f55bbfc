/** Questions about the objects of a tile: what is here, what lies within, how many there are. */
import type { Geometry, Position } from '../model/geojson'
import { hits, insideRing } from '../model/geometry'
import type { ClassCount, Picked } from '../model/picked'
import type { TilePlace } from '../model/vector-tile'
import { LINE, nameOf, type ObjectTile, POINT, sizeOf } from './object-tile'

/** Which objects of a tile are shown. */
export type Shown = (tile: ObjectTile, index: number) => boolean

/** The class that an object is shown with. */
export type ClassOf = (tile: ObjectTile, index: number) => string | null

/** Where an object was found, by number. */
export interface Place {
  readonly number: number
  /** Top-left corner of its box in level-0 pixels. */
  readonly x: number
  readonly y: number
}

/** An object found in a tile. */
export interface Found extends Place {
  readonly className: string | null
  readonly layer: string
  /** The revision at which the tile shows it. */
  readonly seen: number
}

function ownClass(tile: ObjectTile, index: number): string | null {
  return nameOf(tile, tile.classes[index])
}

/** The tile ends so many units past its edge: what reaches there may go on. */
const CLIP_MARGIN = 256
const EXTENT = 4096

type Box = readonly [number, number, number, number]

function boxAt({ boxes }: ObjectTile, index: number): Box {
  const at = index * 4
  return [boxes[at] as number, boxes[at + 1] as number, boxes[at + 2] as number, boxes[at + 3] as number]
}

/** The geometry as the tile has it, in level-0 pixels. */
export function geometryOf(tile: ObjectTile, index: number, { x, y, unit }: TilePlace): Geometry {
  const paths: Position[][] = []
  const kind = tile.kinds[index]
  for (let path = tile.firstPath[index] as number; path < (tile.firstPath[index + 1] as number); path++) {
    const positions: Position[] = []
    for (let at = tile.firstVertex[path] as number; at < (tile.firstVertex[path + 1] as number); at++) {
      positions.push([x + (tile.vertices[2 * at] as number) * unit, y + (tile.vertices[2 * at + 1] as number) * unit])
    }
    paths.push(positions)
  }
  if (kind === POINT) return { type: 'MultiPoint', coordinates: paths.flat() }
  if (kind === LINE) return { type: 'MultiLineString', coordinates: paths }
  // Holes and parts are told apart by even and odd crossings alone, as in the tests of what is inside.
  return { type: 'Polygon', coordinates: paths.map((ring) => [...ring, ...ring.slice(0, 1)]) }
}

function reaches([x0, y0, x1, y1]: Box, u: number, v: number, reach: number): boolean {
  return x0 - reach <= u && u <= x1 + reach && y0 - reach <= v && v <= y1 + reach
}

/** The smallest shown object at `p` or within `reach` level-0 px of it. */
export function pickIn(
  tile: ObjectTile,
  place: TilePlace,
  p: Position,
  reach: number,
  shown: Shown,
  classOf: ClassOf = ownClass,
): Picked | null {
  const [u, v, r] = [(p[0] - place.x) / place.unit, (p[1] - place.y) / place.unit, reach / place.unit]
  let best: Picked | null = null
  for (let index = 0; index < sizeOf(tile); index++) {
    const box = boxAt(tile, index)
    if (!reaches(box, u, v, r)) continue
    const area = (box[2] - box[0]) * (box[3] - box[1]) * place.unit ** 2
    if ((best && best.area <= area) || !shown(tile, index)) continue
    const geometry = geometryOf(tile, index, place)
    if (!hits(geometry, p, reach)) continue
    const whole = Math.min(box[0], box[1]) > -CLIP_MARGIN && Math.max(box[2], box[3]) < EXTENT + CLIP_MARGIN
    const [className, layer] = [classOf(tile, index), nameOf(tile, tile.layers[index]) ?? '']
    best = {
      number: tile.numbers[index] as number,
      id: null,
      className,
      layer,
      geometry,
      whole,
      area,
      seen: place.revision,
    }
  }
  return best
}

/**
 * Shown objects whose box lies within a ring (level-0 px); those of which any tile has a piece outside of it are given
 * in `outside`, so that an object in several tiles is not taken for its part in one.
 */
export function within(
  tile: ObjectTile,
  place: TilePlace,
  ring: readonly Position[],
  shown: Shown,
  classOf: ClassOf = ownClass,
): { readonly inside: Found[]; readonly outside: number[] } {
  const inside: Found[] = []
  const outside: number[] = []
  for (let index = 0; index < sizeOf(tile); index++) {
    if (!shown(tile, index)) continue
    const [u0, v0, u1, v1] = boxAt(tile, index)
    const [x0, y0] = [place.x + u0 * place.unit, place.y + v0 * place.unit]
    const [x1, y1] = [place.x + u1 * place.unit, place.y + v1 * place.unit]
    const corners: Position[] = [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ]
    const number = tile.numbers[index] as number
    const layer = nameOf(tile, tile.layers[index]) ?? ''
    if (corners.every((corner) => insideRing(corner, ring))) {
      const className = classOf(tile, index)
      inside.push({ number, className, layer, seen: place.revision, x: x0, y: y0 })
    } else outside.push(number)
  }
  return { inside, outside }
}

/** Shown objects that meet a level-0 box. */
export function meeting(tile: ObjectTile, place: TilePlace, [bx0, by0, bx1, by1]: Box, shown: Shown): Place[] {
  const found: Place[] = []
  for (let index = 0; index < sizeOf(tile); index++) {
    const [u0, v0, u1, v1] = boxAt(tile, index)
    const [x, y] = [place.x + u0 * place.unit, place.y + v0 * place.unit]
    const [x1, y1] = [place.x + u1 * place.unit, place.y + v1 * place.unit]
    if (x > bx1 || y > by1 || x1 < bx0 || y1 < by0 || !shown(tile, index)) continue
    found.push({ number: tile.numbers[index] as number, x, y })
  }
  return found
}

/** How many objects of each class and layer the tile has, drawn and counted ones. */
export function countsOf(tile: ObjectTile): ClassCount[] {
  const counts = new Map<string, { className: string | null; layer: string; count: number }>()
  const add = (className: number | undefined, layer: number | undefined, count: number): void => {
    const key = `${className} ${layer}`
    const entry = counts.get(key) ?? { className: nameOf(tile, className), layer: nameOf(tile, layer) ?? '', count: 0 }
    entry.count += count
    counts.set(key, entry)
  }
  // A collection of points and lines is one object and two features.
  const counted = new Set<number>()
  tile.numbers.forEach((number, index) => {
    if (!counted.has(number)) add(tile.classes[index], tile.layers[index], 1)
    counted.add(number)
  })
  tile.density.counts.forEach((count, index) => {
    add(tile.density.classes[index], tile.density.layers[index], count)
  })
  return [...counts.values()]
}
