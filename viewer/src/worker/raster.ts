/**
 * Small outlines straight into pixels: a canvas takes some 40 µs for one of them, this a tenth.
 *
 * Pixels are premultiplied until they are given out, so that painting over needs no division.
 */
import type { Color } from '../model/geojson'

/** A ring's vertices, each x and y in pixels; the first is not repeated. */
export type Ring = Float32Array

export class Raster {
  private readonly held: Float32Array
  private readonly crossings: number[] = []

  constructor(readonly side: number) {
    this.held = new Float32Array(side * side * 4)
  }

  clear(): void {
    this.held.fill(0)
  }

  /** Fill the pixels whose centres lie inside (even-odd). */
  fill(ring: Ring, count: number, color: Color, alpha: number): void {
    let [top, bottom] = [Infinity, -Infinity]
    for (let at = 1; at < 2 * count; at += 2) {
      const y = ring[at] as number
      if (y < top) top = y
      if (y > bottom) bottom = y
    }
    const last = Math.min(this.side - 1, Math.ceil(bottom - 0.5) - 1)
    for (let row = Math.max(0, Math.ceil(top - 0.5)); row <= last; row++) this.fillRow(ring, count, row, color, alpha)
  }

  /** Draw the outline, `width` pixels wide and smooth. */
  stroke(ring: Ring, count: number, color: Color, width: number): void {
    let [x0, y0] = [ring[2 * count - 2] as number, ring[2 * count - 1] as number]
    for (let at = 0; at < 2 * count; at += 2) {
      const [x1, y1] = [ring[at] as number, ring[at + 1] as number]
      this.line(x0, y0, x1, y1, color, width)
      x0 = x1
      y0 = y1
    }
  }

  /** Red, green, blue and alpha, not premultiplied. */
  pixels(): Uint8ClampedArray<ArrayBuffer> {
    const { held } = this
    const pixels = new Uint8ClampedArray(held.length)
    for (let at = 0; at < held.length; at += 4) {
      const alpha = held[at + 3] as number
      if (alpha === 0) continue
      pixels[at] = (held[at] as number) / alpha
      pixels[at + 1] = (held[at + 1] as number) / alpha
      pixels[at + 2] = (held[at + 2] as number) / alpha
      pixels[at + 3] = 255 * alpha
    }
    return pixels
  }

  private fillRow(ring: Ring, count: number, row: number, color: Color, alpha: number): void {
    const { crossings, side } = this
    const y = row + 0.5
    let found = 0
    let [x0, y0] = [ring[2 * count - 2] as number, ring[2 * count - 1] as number]
    for (let at = 0; at < 2 * count; at += 2) {
      const [x1, y1] = [ring[at] as number, ring[at + 1] as number]
      if (y0 <= y !== y1 <= y) {
        // A few crossings in their order: putting each in its place costs less than sorting.
        const x = x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)
        let place = found++
        for (; place > 0 && (crossings[place - 1] as number) > x; place--)
          crossings[place] = crossings[place - 1] as number
        crossings[place] = x
      }
      x0 = x1
      y0 = y1
    }
    for (let pair = 0; pair + 1 < found; pair += 2) {
      const from = Math.max(0, Math.ceil((crossings[pair] as number) - 0.5))
      const to = Math.min(side, Math.ceil((crossings[pair + 1] as number) - 0.5))
      for (let col = from; col < to; col++) this.blend(col, row, color, alpha)
    }
  }

  /** One edge: along its longer side pixel by pixel, across it three pixels, each by how near the edge is. */
  private line(x0: number, y0: number, x1: number, y1: number, color: Color, width: number): void {
    const [dx, dy] = [x1 - x0, y1 - y0]
    const length = Math.hypot(dx, dy)
    if (length === 0) return
    const steep = Math.abs(dy) > Math.abs(dx)
    const [a0, a1, b0] = steep ? [y0, y1, x0] : [x0, x1, y0]
    const slope = steep ? dx / dy : dy / dx
    const across = Math.abs(steep ? dy : dx) / length
    // Half a pixel more at both ends joins the edges without gaps.
    const [from, to] = [Math.min(a0, a1) - 0.5, Math.max(a0, a1) + 0.5]
    for (let a = Math.ceil(from - 0.5); a + 0.5 < to; a++) {
      this.step(a, b0 + (a + 0.5 - a0) * slope, steep, across, color, width / 2)
    }
  }

  /** The pixels across an edge that it covers: those around `b` in row or column `a`. */
  private step(a: number, b: number, steep: boolean, across: number, color: Color, half: number): void {
    const reach = (half + 0.5) / across
    for (let pixel = Math.floor(b - reach); pixel <= b + reach; pixel++) {
      const covered = Math.min(1, half + 0.5 - Math.abs(pixel + 0.5 - b) * across)
      if (covered <= 0) continue
      if (steep) this.blend(pixel, a, color, covered)
      else this.blend(a, pixel, color, covered)
    }
  }

  private blend(x: number, y: number, color: Color, alpha: number): void {
    const { side, held } = this
    if (x < 0 || y < 0 || x >= side || y >= side) return
    const at = (y * side + x) * 4
    const rest = 1 - alpha
    held[at] = (held[at] as number) * rest + color[0] * alpha
    held[at + 1] = (held[at + 1] as number) * rest + color[1] * alpha
    held[at + 2] = (held[at + 2] as number) * rest + color[2] * alpha
    held[at + 3] = (held[at + 3] as number) * rest + alpha
  }
}
