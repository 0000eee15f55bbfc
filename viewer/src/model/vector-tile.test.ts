import { describe, expect, it } from 'vitest'
import { maxDeepZoomLevel } from './slide'
import {
  detailedLevel,
  levelAt,
  objectResolutions,
  objectTileUrl,
  placeOf,
  sourceOf,
  tileBox,
  tilesIn,
} from './vector-tile'

const slide = { id: 'a/b', width: 5000, height: 3000, tile_size: 256 }
const highest = maxDeepZoomLevel(slide)

describe('the grid of objects', () => {
  it('has the levels of the .dzi, and some that enlarge the last', () => {
    expect(highest).toBe(13)
    expect(objectResolutions(slide).slice(0, 3)).toEqual([8192, 4096, 2048])
    expect(objectResolutions(slide).slice(-6)).toEqual([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32])
  })

  it('places tiles as DeepZoom does', () => {
    expect(tileBox(slide, { level: 13, col: 2, row: 1 })).toEqual([512, 256, 768, 512])
    expect(tileBox(slide, { level: 10, col: 1, row: 1 })).toEqual([2048, 2048, 4096, 4096])
    expect(placeOf(slide, { level: 10, col: 1, row: 0 }, 7)).toEqual({
      url: '/api/slides/a%2Fb/annotations/tiles/10/1/0?r=7',
      revision: 7,
      x: 2048,
      y: 0,
      unit: 0.5,
    })
    expect(objectTileUrl({ id: 's' }, { level: 0, col: 0, row: 0 }, 1)).toBe(
      '/api/slides/s/annotations/tiles/0/0/0?r=1',
    )
  })

  it('takes enlarged tiles out of those of the last level', () => {
    const { source, part } = sourceOf(slide, { level: 15, col: 11, row: 5 })
    expect(source).toEqual({ level: 13, col: 2, row: 1 })
    // A quarter of the tile's side, drawn at four times its size: the fourth quarter across, the second down.
    expect(part).toEqual({ scale: 1 / 4, left: 768, top: 256 })
    const plain = { level: 9, col: 1, row: 0 }
    expect(sourceOf(slide, plain)).toEqual({ source: plain, part: { scale: 1 / 16, left: 0, top: 0 } })
  })

  it.each([
    [1, 13],
    [0.5, 12],
    [0.6, 12],
    [0.8, 13],
    [20, 13],
    [0.00001, 0],
  ])('shows at zoom %f the tiles of level %i', (zoom, level) => {
    expect(levelAt(slide, zoom)).toBe(level)
  })

  it('lists the tiles of a place that the slide has', () => {
    expect(tilesIn(slide, 13, [250, 250, 260, 255])).toEqual([
      { level: 13, col: 0, row: 0 },
      { level: 13, col: 1, row: 0 },
    ])
    expect(tilesIn(slide, 10, [-9e9, -9e9, 9e9, 9e9])).toHaveLength(3 * 2)
    expect(tilesIn(slide, 10, [6000, 0, 7000, 10])).toEqual([{ level: 10, col: 2, row: 0 }])
    expect(tilesIn(slide, 13, [9000, 0, 9100, 10])).toEqual([])
  })

  it('knows how far out every object is still drawn', () => {
    expect(objectResolutions(slide)[detailedLevel(slide)]).toBe(8)
    expect(detailedLevel({ width: 3, height: 3, tile_size: 256 })).toBe(0)
  })
})
