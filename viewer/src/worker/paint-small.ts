/** Paint objects of a few pixels, of which a tile has thousands. */
import type { TilePart } from '../model/vector-tile'
import { type ObjectTile, POLYGON } from './object-tile'
import { Raster } from './raster'
import type { TileLook } from './tile-look'

/** Objects no larger than this many CSS pixels are small. */
const SMALL_PX = 24
const FILL_ALPHA = 0.16
const LINE_WIDTH = 1.5
const WHITE = [255, 255, 255] as const
const BLACK = [0, 0, 0] as const

/** Whether an object is a plain ring of a few pixels, `scale` CSS pixels to the unit. */
export function isSmall({ kinds, firstPath, exhaustive, boxes }: ObjectTile, index: number, scale: number): boolean {
  if (kinds[index] !== POLYGON || exhaustive[index] === 1) return false
  if ((firstPath[index + 1] as number) - (firstPath[index] as number) !== 1) return false
  const at = index * 4
  const width = (boxes[at + 2] as number) - (boxes[at] as number)
  const height = (boxes[at + 3] as number) - (boxes[at + 1] as number)
  return Math.max(width, height) * scale <= SMALL_PX
}

export class SmallPainter {
  private raster = new Raster(0)
  private ring = new Float32Array(64)

  /** Give the pixels of a picture, `side` across and down, with these objects; those that were chosen lie on top. */
  paint(
    tile: ObjectTile,
    part: TilePart,
    look: TileLook,
    { side, ratio, filled }: { readonly side: number; readonly ratio: number; readonly filled: boolean },
    indices: readonly number[],
  ): Uint8ClampedArray<ArrayBuffer> {
    if (this.raster.side === side) this.raster.clear()
    else this.raster = new Raster(side)
    const { raster } = this
    for (const index of indices) {
      const count = this.place(tile, index, part)
      const color = look.color(look.classOf(index))
      if (filled) raster.fill(this.ring, count, color, FILL_ALPHA)
      raster.stroke(this.ring, count, color, LINE_WIDTH * ratio)
    }
    for (const index of indices) {
      if (!look.chosen(index)) continue
      const count = this.place(tile, index, part)
      raster.stroke(this.ring, count, BLACK, 2 * LINE_WIDTH * ratio)
      raster.fill(this.ring, count, WHITE, 2 * FILL_ALPHA)
      raster.stroke(this.ring, count, WHITE, LINE_WIDTH * ratio)
    }
    return raster.pixels()
  }

  /** Bring the object's ring into pixels; answers how many vertices it has. */
  private place({ firstPath, firstVertex, vertices }: ObjectTile, index: number, part: TilePart): number {
    const path = firstPath[index] as number
    const [from, to] = [firstVertex[path] as number, firstVertex[path + 1] as number]
    if (this.ring.length < 2 * (to - from)) this.ring = new Float32Array(4 * (to - from))
    for (let at = from, out = 0; at < to; at++, out += 2) {
      this.ring[out] = (vertices[2 * at] as number) * part.scale - part.left
      this.ring[out + 1] = (vertices[2 * at + 1] as number) * part.scale - part.top
    }
    return to - from
  }
}
