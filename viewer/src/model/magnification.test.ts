import { describe, expect, it } from 'vitest'
import { type Look, ownLook } from './look'
import { formatMagnification, magnificationAt, nativeMagnification, presetOf, zoomAt } from './magnification'
import type { Slide } from './slide'
import { deepZoomResolutions, maxDeepZoomLevel, mppOf, samplesUrl, thumbnailUrl, tileSizeOf, tileUrl } from './slide'

const slide: Slide = {
  id: 'a b',
  name: 'S',
  project: 'P',
  width: 2220,
  height: 2967,
  mpp_x: 0.499,
  mpp_y: 0.499,
  mpp_plausible: true,
  objective_power: 20,
  levels: 4,
  tile_size: 240,
  channels: [],
  planes: 1,
  times: 1,
  dtype: 'uint8',
  status: 'ready',
  generation: 3,
  created: '2026-01-01T00:00:00Z',
  annotations: 0,
}

describe('magnification', () => {
  it('is what the objective says', () => {
    expect(nativeMagnification(slide)).toBe(20)
  })

  it('follows from the pixel size when the objective is unknown', () => {
    expect(nativeMagnification({ ...slide, objective_power: null, mpp_x: 0.25, mpp_y: 0.25 })).toBe(40)
  })

  it('is unknown without either, and with a pixel size that is not credible', () => {
    expect(nativeMagnification({ ...slide, objective_power: null, mpp_x: null, mpp_y: null })).toBeNull()
    expect(nativeMagnification({ ...slide, objective_power: null, mpp_plausible: false })).toBeNull()
    expect(mppOf({ ...slide, mpp_plausible: false })).toBeNull()
  })

  it('and zoom are proportional', () => {
    expect(magnificationAt(20, 0.5)).toBe(10)
    expect(zoomAt(20, 40)).toBe(2)
    expect(magnificationAt(40, zoomAt(40, 5))).toBe(5)
  })

  it('is a preset only when it is just that', () => {
    expect(presetOf(10.0001)).toBe(10)
    expect(presetOf(10.2)).toBeNull()
  })

  it('is written with the digits that matter', () => {
    expect([32, 19.96, 5.4, 1, 0.312, 0.05].map(formatMagnification)).toEqual([
      '32×',
      '20×',
      '5.4×',
      '1×',
      '0.31×',
      '0.05×',
    ])
  })
})

describe('tile addresses', () => {
  it('count levels as DeepZoom does', () => {
    expect(maxDeepZoomLevel({ width: 2220, height: 2967 })).toBe(12)
    expect(maxDeepZoomLevel({ width: 1, height: 1 })).toBe(0)
    expect(maxDeepZoomLevel({ width: 4096, height: 10 })).toBe(12)
    expect(maxDeepZoomLevel({ width: 4097, height: 10 })).toBe(13)
    expect(deepZoomResolutions({ width: 5, height: 3 })).toEqual([8, 4, 2, 1])
  })

  it('are smaller at the right and bottom edge', () => {
    // 2220 x 2967 pixels in tiles of 240: 10 x 13 of them, the last with 60 columns and 87 rows
    expect(tileSizeOf(slide, { level: 12, col: 0, row: 0 })).toEqual({ width: 240, height: 240 })
    expect(tileSizeOf(slide, { level: 12, col: 9, row: 12 })).toEqual({ width: 60, height: 87 })
    // half of that, rounded up: 1110 x 1484
    expect(tileSizeOf(slide, { level: 11, col: 4, row: 6 })).toEqual({ width: 150, height: 44 })
    expect(tileSizeOf(slide, { level: 0, col: 0, row: 0 })).toEqual({ width: 1, height: 1 })
  })

  it('name channel, plane and time of samples', () => {
    const look: Look = { ...ownLook(3), depth: 'max', time: 2 }
    expect(samplesUrl(slide, { level: 12, col: 3, row: 4 }, 1, look)).toBe(
      '/dzi/a%20b_files/12/3_4.raw?c=1&z=max&t=2&g=3',
    )
    expect(samplesUrl(slide, { level: 0, col: 0, row: 0 }, 0, ownLook(1))).toBe('/dzi/a%20b_files/0/0_0.raw?c=0&g=3')
  })

  it('name level, place, colour and generation', () => {
    expect(tileUrl(slide, { level: 12, col: 3, row: 4 }, ownLook(3))).toBe(
      '/dzi/a%20b_files/12/3_4.jpeg?color=srgb&g=3',
    )
    expect(thumbnailUrl(slide, 512)).toBe('/api/slides/a%20b/thumbnail?size=512&color=srgb&g=3')
  })
})
