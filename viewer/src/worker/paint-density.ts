/** Paint what a tile only counts: one square for each bin, in the mixed colour of its classes. */
import { densityAlpha } from '../model/object-style'
import { EXTENT } from '../model/vector-tile'
import type { ObjectTile } from './object-tile'
import type { TileLook } from './tile-look'

/** Bins across a tile of 256 pixels; larger tiles have as many more. */
const BIN_PX = 4

export interface BinPicture {
  /** Red, green, blue and alpha of each bin, row by row. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>
  /** Bins across and down. */
  readonly across: number
}

/**
 * Give the bins of a tile as a small picture, or null when none is shown.
 *
 * `tilePixels` is the tile's size and `unit` how many level-0 px one of its units has.
 */
export function binPicture(tile: ObjectTile, look: TileLook, tilePixels: number, unit: number): BinPicture | null {
  const { xs, ys, counts, classes, layers } = tile.density
  const across = Math.ceil(tilePixels / BIN_PX)
  const sums = new Float64Array(across * across * 4)
  let any = false
  for (let at = 0; at < counts.length; at++) {
    const [className, count] = [classes[at] as number, counts[at] as number]
    if (count <= 0 || !look.kindShown(className, layers[at] as number)) continue
    const col = Math.floor(((xs[at] as number) * across) / EXTENT)
    const row = Math.floor(((ys[at] as number) * across) / EXTENT)
    if (col < 0 || row < 0 || col >= across || row >= across) continue
    any = true
    const bin = (row * across + col) * 4
    look.color(className).forEach((level, part) => {
      sums[bin + part] = (sums[bin + part] as number) + level * count
    })
    sums[bin + 3] = (sums[bin + 3] as number) + count
  }
  return any ? { pixels: pixelsOf(sums, ((EXTENT / across) * unit) ** 2), across } : null
}

function pixelsOf(sums: Float64Array, binArea: number): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(sums.length)
  for (let bin = 0; bin < sums.length; bin += 4) {
    const count = sums[bin + 3] as number
    if (count === 0) continue
    for (const part of [0, 1, 2]) pixels[bin + part] = Math.round((sums[bin + part] as number) / count)
    pixels[bin + 3] = Math.round(255 * densityAlpha(count, binArea))
  }
  return pixels
}
