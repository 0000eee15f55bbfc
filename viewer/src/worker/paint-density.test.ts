import { describe, expect, it } from 'vitest'
import { type TileFeature, writeTile } from '../../test/vector-tile'
import type { ObjectStyle } from '../model/object-style'
import { decodeTile } from './mvt'
import { binPicture } from './paint-density'
import { Style, TileLook } from './tile-look'

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
/** 16 level-0 px for each screen pixel: a bin of 4 screen pixels is 64 x 64. */
const UNIT = 1

function bin(col: number, row: number, count: number, tags: Record<string, string>): TileFeature {
  return { type: 1, paths: [[[col * 64 + 32, row * 64 + 32]]], tags: { layer: 'l', count, ...tags } }
}

function picture(bins: readonly TileFeature[], style: Partial<ObjectStyle> = {}) {
  const tile = decodeTile(writeTile({ density: bins }))
  const found = binPicture(tile, new TileLook(tile, new Style({ ...STYLE, ...style })), 256, UNIT)
  return {
    across: found?.across,
    at: (col: number, row: number) => [...(found?.pixels.slice((row * 64 + col) * 4, (row * 64 + col) * 4 + 4) ?? [])],
    seen: found ? Array.from({ length: 64 * 64 }, (_, n) => n).filter((n) => found.pixels[4 * n + 3] !== 0) : [],
  }
}

describe('the density picture', () => {
  it('covers exactly the bins that count something', () => {
    const { across, seen } = picture([bin(0, 0, 1, { class: 'A' }), bin(63, 1, 1, {}), bin(5, 63, 400, { class: 'B' })])
    expect(across).toBe(64)
    expect(seen).toEqual([0, 64 + 63, 63 * 64 + 5])
  })

  it('mixes the colours of classes by their counts', () => {
    const { at } = picture([bin(3, 4, 3, { class: 'A' }), bin(3, 4, 1, { class: 'B' })])
    expect(at(3, 4).slice(0, 3)).toEqual([150, 25, 0])
  })

  it('is denser for more objects, and never faint for a single one', () => {
    const counts = [1, 2, 3, 5, 9, 20]
    const { at } = picture(counts.map((count, col) => bin(col, 0, count, { class: 'A' })))
    const alphas = counts.map((_, col) => at(col, 0)[3] ?? 0)
    expect(alphas).toEqual([...alphas].sort((a, b) => a - b))
    expect(new Set(alphas).size).toBe(counts.length)
    expect(alphas[0]).toBeGreaterThan(0.3 * 255)
  })

  it('adds up bins of several layers', () => {
    const two = picture([
      bin(0, 0, 2, { class: 'A' }),
      bin(1, 0, 1, { class: 'A' }),
      bin(1, 0, 1, { class: 'A', layer: 'm' }),
    ])
    expect(two.at(0, 0)).toEqual(two.at(1, 0))
  })

  it('leaves out hidden classes and layers', () => {
    const bins = [bin(0, 0, 1, { class: 'A' }), bin(1, 0, 1, {}), bin(2, 0, 1, { class: 'B', layer: 'm' })]
    expect(picture(bins, { hiddenClasses: ['A'] }).seen).toEqual([1, 2])
    expect(picture(bins, { hiddenClasses: [''] }).seen).toEqual([0, 2])
    expect(picture(bins, { hiddenLayers: ['m'] }).seen).toEqual([0, 1])
    expect(picture(bins, { hiddenLayers: ['l', 'm'] }).across).toBeUndefined()
  })
})
