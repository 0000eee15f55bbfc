import { describe, expect, it } from 'vitest'
import { ring, type TileFeature, writeTile } from '../../test/vector-tile'
import { decodeTile } from './mvt'
import { countsOf, meeting, pickIn, within } from './object-search'

/** A tile of 2,048 level-0 px at (2048, 4096): one unit is half a pixel. */
const PLACE = { url: 't', revision: 6, x: 2048, y: 4096, unit: 0.5 }
const all = (): boolean => true

function tileOf(...objects: readonly TileFeature[]): ReturnType<typeof decodeTile> {
  return decodeTile(writeTile({ objects }))
}

function square(id: number, x: number, y: number, side: number, tags = {}): TileFeature {
  return { id, type: 3, paths: [ring(x, y, side)], tags: { layer: 'l', ...tags } }
}

const HOLED: TileFeature = { id: 3, type: 3, paths: [ring(0, 0, 1000), ring(200, 200, 600)], tags: { layer: 'l' } }

describe('picking', () => {
  it('gives the smallest object at a place, in level-0 pixels', () => {
    const tile = tileOf(square(1, 0, 0, 2000), square(2, 400, 400, 100, { class: 'Tumour' }))
    const picked = pickIn(tile, PLACE, [2048 + 225, 4096 + 225], 0, all)
    expect(picked).toMatchObject({ number: 2, className: 'Tumour', layer: 'l', whole: true, area: 50 * 50 })
    expect(picked?.geometry).toEqual({
      type: 'Polygon',
      coordinates: [
        [
          [2248, 4296],
          [2298, 4296],
          [2298, 4346],
          [2248, 4346],
          [2248, 4296],
        ],
      ],
    })
    expect(pickIn(tile, PLACE, [2048 + 500, 4096 + 500], 0, all)?.number).toBe(1)
    expect(pickIn(tile, PLACE, [2048 + 225, 4096 + 225], 0, (_, index) => index === 0)?.number).toBe(1)
  })

  it('misses the inside of a hole, and reaches outlines, lines and points from outside', () => {
    const line: TileFeature = {
      id: 4,
      type: 2,
      paths: [
        [
          [2000, 2000],
          [3000, 2000],
        ],
      ],
      tags: { layer: 'l' },
    }
    const point: TileFeature = { id: 5, type: 1, paths: [[[3500, 3500]]], tags: { layer: 'l' } }
    const tile = tileOf(HOLED, line, point)
    const at = (u: number, v: number, reach: number): number | null | undefined =>
      pickIn(tile, PLACE, [PLACE.x + u / 2, PLACE.y + v / 2], reach, all)?.number
    expect([at(100, 100, 0), at(500, 500, 0), at(205, 500, 5)]).toEqual([3, undefined, 3])
    expect([at(2500, 2008, 5), at(2500, 2012, 5)]).toEqual([4, undefined])
    expect([at(3506, 3508, 5), at(3507, 3508, 5)]).toEqual([5, undefined])
  })

  it('says when the tile has cut the object off', () => {
    const tile = tileOf(square(1, -256, 100, 600), square(2, 3000, 100, 1352))
    const whole = [10, 3500].map((u) => pickIn(tile, PLACE, [PLACE.x + u / 2, PLACE.y + 100], 0, all)?.whole)
    expect(whole).toEqual([false, false])
  })
})

describe('what lies within a ring', () => {
  it('is inside with all of its box', () => {
    const tile = tileOf(square(1, 100, 100, 100), square(2, 350, 100, 100), square(3, 900, 900, 10))
    const box = [
      [2048, 4096],
      [2048 + 200, 4096],
      [2048 + 200, 4096 + 200],
      [2048, 4096 + 200],
    ] as const
    const { inside, outside } = within(tile, PLACE, box, all)
    expect(inside).toEqual([{ number: 1, className: null, layer: 'l', seen: 6, x: 2098, y: 4146 }])
    expect(outside).toEqual([2, 3])
    expect(within(tile, PLACE, box, (_, index) => index > 0)).toEqual({ inside: [], outside: [2, 3] })
  })

  it('may be asked for with a turned ring', () => {
    const tile = tileOf(square(1, 460, 460, 80), square(2, 10, 10, 80))
    const diamond = [
      [2048 + 250, 4096],
      [2048 + 500, 4096 + 250],
      [2048 + 250, 4096 + 500],
      [2048, 4096 + 250],
    ] as const
    expect(within(tile, PLACE, diamond, all).inside.map(({ number }) => number)).toEqual([1])
  })
})

describe('what meets a box', () => {
  it('is given with its corner', () => {
    const tile = tileOf(square(1, 100, 100, 100), square(2, 600, 100, 100))
    expect(meeting(tile, PLACE, [2048 + 90, 4096, 2048 + 299, 4096 + 60], all).map(({ number }) => number)).toEqual([1])
    expect(meeting(tile, PLACE, [2048 + 90, 4096, 2048 + 300, 4096 + 60], all)).toHaveLength(2)
  })
})

describe('counts', () => {
  it('add drawn and counted objects of a class and layer, each object once', () => {
    const bin = (count: number, tags = {}): TileFeature => {
      return { type: 1, paths: [[[32, 32]]], tags: { layer: 'l', count, ...tags } }
    }
    const twice = { ...square(9, 0, 0, 10, { class: 'A' }), type: 2 as const }
    const bytes = writeTile({
      objects: [square(1, 0, 0, 10, { class: 'A' }), square(9, 0, 0, 10, { class: 'A' }), twice],
      density: [bin(5, { class: 'A' }), bin(7), bin(2, { class: 'A', layer: 'm' }), bin(1, { class: 'A' })],
    })
    const counts = countsOf(decodeTile(bytes))
    expect(counts).toHaveLength(3)
    expect(counts).toContainEqual({ className: 'A', layer: 'l', count: 8 })
    expect(counts).toContainEqual({ className: null, layer: 'l', count: 7 })
    expect(counts).toContainEqual({ className: 'A', layer: 'm', count: 2 })
  })
})
