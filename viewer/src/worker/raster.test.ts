import { describe, expect, it } from 'vitest'
import { Raster } from './raster'

const RED = [200, 0, 0] as const
/** A ring of 60 vertices around (16, 16) with a radius of 9.3 pixels. */
const COUNT = 60
const circle = new Float32Array(
  Array.from({ length: COUNT }, (_, n) => (2 * Math.PI * n) / COUNT).flatMap((angle) => [
    16 + 9.3 * Math.cos(angle),
    16 + 9.3 * Math.sin(angle),
  ]),
)

function alphas(raster: Raster): number[][] {
  const pixels = raster.pixels()
  return Array.from({ length: raster.side }, (_, y) =>
    Array.from({ length: raster.side }, (_, x) => pixels[(y * raster.side + x) * 4 + 3] as number),
  )
}

describe('a small ring', () => {
  it('fills exactly the pixels whose centres lie inside', () => {
    const raster = new Raster(32)
    raster.fill(circle, COUNT, RED, 1)
    alphas(raster).forEach((row, y) => {
      row.forEach((alpha, x) => {
        const distance = Math.hypot(x + 0.5 - 16, y + 0.5 - 16)
        // Between the circle and its polygon of 60 edges nothing is expected.
        if (distance < 9.28) expect(alpha, `${x} ${y}`).toBe(255)
        if (distance > 9.3) expect(alpha, `${x} ${y}`).toBe(0)
      })
    })
  })

  it('fills a concave one by even and odd crossings', () => {
    const raster = new Raster(12)
    const cup = Float32Array.of(1, 1, 4, 1, 4, 6, 8, 6, 8, 1, 11, 1, 11, 10, 1, 10)
    raster.fill(cup, 8, RED, 1)
    const filled = alphas(raster).map((row) => row.filter((alpha) => alpha > 0).length)
    expect(filled).toEqual([0, 6, 6, 6, 6, 6, 10, 10, 10, 10, 0, 0])
  })

  it('has an outline that is full on it, and nothing away from it', () => {
    const raster = new Raster(32)
    raster.stroke(circle, COUNT, RED, 1.5)
    let most = 0
    alphas(raster).forEach((row, y) => {
      row.forEach((alpha, x) => {
        const away = Math.abs(Math.hypot(x + 0.5 - 16, y + 0.5 - 16) - 9.3)
        if (away < 0.2) expect(alpha, `${x} ${y}`).toBeGreaterThan(220)
        if (away > 1.5) expect(alpha, `${x} ${y}`).toBe(0)
        most = Math.max(most, alpha)
      })
    })
    expect(most).toBe(255)
  })

  it('keeps its colour where it is half seen, and lies over what was there', () => {
    const raster = new Raster(4)
    const all = Float32Array.of(0, 0, 4, 0, 4, 4, 0, 4)
    raster.fill(all, 4, RED, 0.5)
    expect([...raster.pixels().slice(0, 4)]).toEqual([200, 0, 0, 128])
    raster.fill(all, 4, [0, 100, 0], 0.5)
    // 0.5 of the new, 0.25 of the old: alpha 0.75, colours by their shares.
    expect([...raster.pixels().slice(0, 4)]).toEqual([67, 67, 0, 191])
    raster.clear()
    expect([...raster.pixels()].every((part) => part === 0)).toBe(true)
  })

  it('that reaches over the edge of the picture is cut there', () => {
    const raster = new Raster(8)
    const large = Float32Array.of(-5, -5, 13, -5, 13, 4, -5, 4)
    raster.fill(large, 4, RED, 1)
    raster.stroke(large, 4, RED, 1.5)
    expect(
      alphas(raster)
        .map((row) => row.filter((alpha) => alpha === 255).length)
        .slice(0, 4),
    ).toEqual([8, 8, 8, 8])
  })
})
