import { describe, expect, it } from 'vitest'
import { ring, type TileFeature, writeTile } from '../../test/vector-tile'
import type { ObjectStyle } from '../model/object-style'
import { decodeTile } from './mvt'
import { sortObjects } from './paint-objects'
import { SmallPainter } from './paint-small'
import { Style, TileLook } from './tile-look'

const PART = { scale: 1 / 16, left: 0, top: 0 }
const STYLE: ObjectStyle = {
  colors: { A: [200, 0, 0], B: [0, 100, 0] },
  filled: true,
  hiddenLayers: [],
  hiddenClasses: [],
  drawnElsewhere: [],
  gone: [],
  chosen: [],
  reclassed: [],
}

function square(id: number, x: number, y: number, side: number, tags = {}): TileFeature {
  return { id, type: 3, paths: [ring(x, y, side)], tags: { layer: 'l', ...tags } }
}

/** Cells of 16 px each with 4 px between, eleven rows of eleven, classes in turn. */
const CELLS = Array.from({ length: 121 }, (_, n) =>
  square(n + 1, (n % 11) * 320 + 64, Math.floor(n / 11) * 320 + 64, 256, { class: n % 2 ? 'A' : 'B' }),
)

function paint(style: Partial<ObjectStyle> = {}): Uint8ClampedArray {
  const tile = decodeTile(writeTile({ objects: CELLS }))
  const look = new TileLook(tile, new Style({ ...STYLE, ...style }))
  const sorted = sortObjects(tile, PART, look, 256, 1)
  const filled = style.filled ?? true
  return new SmallPainter().paint(tile, PART, look, { side: 256, ratio: 1, filled }, sorted.small)
}

/** The pixel of a cell's middle, or of its left edge. */
function pixel(pixels: Uint8ClampedArray, cell: number, at: 'middle' | 'edge'): number[] {
  const [x, y] = [(cell % 11) * 20 + (at === 'middle' ? 12 : 4), Math.floor(cell / 11) * 20 + 12]
  return [...pixels.slice((y * 256 + x) * 4, (y * 256 + x) * 4 + 4)]
}

describe('small objects', () => {
  it('are painted in the colours of their classes, with a faint fill', () => {
    const pixels = paint()
    for (const cell of [0, 1, 60, 119, 120]) {
      const color = cell % 2 ? [200, 0, 0] : [0, 100, 0]
      expect(pixel(pixels, cell, 'edge').slice(0, 3)).toEqual(color)
      expect(pixel(pixels, cell, 'edge')[3]).toBeGreaterThan(160)
      expect(pixel(pixels, cell, 'middle')).toEqual([...color, 41])
    }
    expect(pixel(paint({ filled: false }), 60, 'middle')).toEqual([0, 0, 0, 0])
  })

  it('that are hidden or drawn elsewhere leave nothing', () => {
    const pixels = paint({ drawnElsewhere: [61] })
    expect(pixel(pixels, 60, 'edge')).toEqual([0, 0, 0, 0])
    expect(pixel(pixels, 61, 'edge')[3]).toBeGreaterThan(160)
    const without = paint({ hiddenClasses: ['A'] })
    expect([pixel(without, 61, 'edge')[3], pixel(without, 60, 'edge')[3] !== 0]).toEqual([0, true])
  })

  it('that were chosen stand out', () => {
    const pixels = paint({ chosen: [61] })
    expect(Math.min(...pixel(pixels, 60, 'edge').slice(0, 3))).toBeGreaterThan(150)
    expect(pixel(pixels, 60, 'middle')[3]).toBeGreaterThan(90)
  })
})

describe('the sorting of objects', () => {
  it('takes plain outlines of a few pixels for small, and puts large ones first', () => {
    const holed: TileFeature = { id: 4, type: 3, paths: [ring(0, 0, 300), ring(50, 50, 20)], tags: { layer: 'l' } }
    const line: TileFeature = {
      id: 5,
      type: 2,
      paths: [
        [
          [0, 0],
          [100, 100],
        ],
      ],
      tags: { layer: 'l' },
    }
    const objects = [
      square(1, 0, 0, 384),
      square(2, 0, 0, 400),
      square(3, 0, 0, 1100),
      holed,
      line,
      square(6, 100, 100, 100, { exhaustive: true }),
      square(7, 4330, 0, 20),
    ]
    const tile = decodeTile(writeTile({ objects }))
    const sorted = sortObjects(tile, PART, new TileLook(tile, new Style({ ...STYLE, chosen: [3] })), 256, 1)
    const numbers = (indices: readonly number[]): number[] => indices.map((index) => tile.numbers[index] as number)
    expect(numbers(sorted.small)).toEqual([1])
    expect(sorted.groups.map(numbers)).toEqual([[3], [2, 4, 5], [6]])
    expect(numbers(sorted.chosen)).toEqual([3])
  })
})
