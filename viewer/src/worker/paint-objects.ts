/** Paint the objects of a tile. */
import { cssColor } from '../model/annotation-class'
import type { TilePart } from '../model/vector-tile'
import { LINE, type ObjectTile, POINT, POLYGON, sizeOf } from './object-tile'
import { isSmall } from './paint-small'
import type { TileLook } from './tile-look'

type Context = OffscreenCanvasRenderingContext2D

export interface Canvas {
  readonly context: Context
  /** Pixels of the picture for each CSS pixel. */
  readonly ratio: number
}

interface Brush {
  readonly stroke: string
  readonly fill: string | null
  readonly dash: readonly number[]
  readonly width: number
}

/** Polygons in one path: one large path costs far more than many small ones. */
const BATCH = 16
const FILL_ALPHA = 0.16
const LINE_WIDTH = 1.5
const POINT_RADIUS = 5
/** Objects larger than this on the screen are painted first, so that small ones lie on top. */
const LARGE_PX = 64

function isInside(tile: ObjectTile, index: number, part: TilePart, side: number): boolean {
  const { boxes } = tile
  const at = index * 4
  const [scale, reach] = [part.scale, 2 * POINT_RADIUS]
  return (
    (boxes[at] as number) * scale - part.left <= side + reach &&
    (boxes[at + 1] as number) * scale - part.top <= side + reach &&
    (boxes[at + 2] as number) * scale - part.left >= -reach &&
    (boxes[at + 3] as number) * scale - part.top >= -reach
  )
}

function isLarge({ boxes }: ObjectTile, index: number, scale: number): boolean {
  const at = index * 4
  const [width, height] = [
    (boxes[at + 2] as number) - (boxes[at] as number),
    (boxes[at + 3] as number) - (boxes[at + 1] as number),
  ]
  return Math.max(width, height) * scale > LARGE_PX
}

function trace({ context, ratio }: Canvas, tile: ObjectTile, index: number, { scale, left, top }: TilePart): void {
  const { firstPath, firstVertex, vertices } = tile
  const kind = tile.kinds[index]
  for (let path = firstPath[index] as number; path < (firstPath[index + 1] as number); path++) {
    const [from, to] = [firstVertex[path] as number, firstVertex[path + 1] as number]
    const [x, y] = [(vertices[2 * from] as number) * scale - left, (vertices[2 * from + 1] as number) * scale - top]
    if (kind === POINT) {
      context.moveTo(x + POINT_RADIUS * ratio, y)
      context.arc(x, y, POINT_RADIUS * ratio, 0, 2 * Math.PI)
      continue
    }
    context.moveTo(x, y)
    for (let at = from + 1; at < to; at++) {
      context.lineTo((vertices[2 * at] as number) * scale - left, (vertices[2 * at + 1] as number) * scale - top)
    }
    if (kind === POLYGON) context.closePath()
  }
}

function isSimple({ kinds, firstPath }: ObjectTile, index: number): boolean {
  return kinds[index] === POINT || (firstPath[index + 1] as number) - (firstPath[index] as number) === 1
}

/** Paint objects alike: those of one path in batches, the others one by one, so that holes stay holes. */
function paintAlike(canvas: Canvas, tile: ObjectTile, part: TilePart, brush: Brush, indices: readonly number[]): void {
  const { context } = canvas
  context.strokeStyle = brush.stroke
  context.fillStyle = brush.fill ?? 'transparent'
  context.lineWidth = brush.width * canvas.ratio
  context.setLineDash(brush.dash.map((length) => length * canvas.ratio))
  const paint = (some: readonly number[], rule: CanvasFillRule): void => {
    context.beginPath()
    for (const index of some) trace(canvas, tile, index, part)
    if (brush.fill !== null && some.every((index) => tile.kinds[index] !== LINE)) context.fill(rule)
    context.stroke()
  }
  const simple = indices.filter((index) => isSimple(tile, index) && tile.kinds[index] !== LINE)
  for (let from = 0; from < simple.length; from += BATCH) paint(simple.slice(from, from + BATCH), 'nonzero')
  for (const index of indices) {
    if (!isSimple(tile, index) || tile.kinds[index] === LINE) paint([index], 'evenodd')
  }
}

function brushFor(tile: ObjectTile, index: number, look: TileLook, filled: boolean): Brush {
  const color = look.color(look.classOf(index))
  // An exhaustively annotated area is a frame around others: a fill would tint them all.
  const frame = tile.exhaustive[index] === 1
  const fill = filled && !frame ? cssColor(color, FILL_ALPHA) : null
  return { stroke: cssColor(color), fill, dash: frame ? [8, 4] : [], width: LINE_WIDTH }
}

/** The objects that a part shows, as they are painted. */
export interface Sorted {
  /** Plain outlines of a few pixels. */
  readonly small: readonly number[]
  /** Those that look alike, in the order of painting: large ones first, so that small ones lie on top. */
  readonly groups: readonly (readonly number[])[]
  readonly chosen: readonly number[]
}

/** Find what of a tile is painted in a picture of `side` pixels. */
export function sortObjects(tile: ObjectTile, part: TilePart, look: TileLook, side: number, ratio: number): Sorted {
  const groups = new Map<string, number[]>()
  const small: number[] = []
  const chosen: number[] = []
  for (let index = 0; index < sizeOf(tile); index++) {
    if (!look.shown(index) || !isInside(tile, index, part, side)) continue
    if (isSmall(tile, index, part.scale / ratio)) {
      small.push(index)
      continue
    }
    const key = `${isLarge(tile, index, part.scale) ? 'a' : 'b'} ${tile.exhaustive[index]} ${look.classOf(index)}`
    const group = groups.get(key)
    if (group) group.push(index)
    else groups.set(key, [index])
    if (look.chosen(index)) chosen.push(index)
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, indices]) => indices)
  return { small, groups: sorted, chosen }
}

/** Paint all but the small ones. */
export function paintObjects(
  canvas: Canvas,
  tile: ObjectTile,
  part: TilePart,
  look: TileLook,
  { groups, chosen }: Sorted,
  filled: boolean,
): void {
  canvas.context.lineJoin = 'round'
  for (const indices of groups) {
    paintAlike(canvas, tile, part, brushFor(tile, indices[0] as number, look, filled), indices)
  }
  if (chosen.length === 0) return
  const rim = { stroke: 'rgb(0 0 0 / 0.6)', fill: null, dash: [], width: 4 }
  paintAlike(canvas, tile, part, rim, chosen)
  paintAlike(canvas, tile, part, { ...rim, stroke: '#fff', fill: 'rgb(255 255 255 / 0.3)', width: 2 }, chosen)
}
