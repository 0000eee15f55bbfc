import { describe, expect, it } from 'vitest'
import { formatArea, formatLength, formatSignificant, formatTime, plural } from './format'
import { mppAlongScreen, roundLengthBelow, scaleBar } from './scale-bar'

describe('scale bar', () => {
  it('has a round length that fits', () => {
    for (const limit of [0.037, 0.9, 1, 1.99, 2, 4.999, 5, 10, 77, 512, 99_999]) {
      const length = roundLengthBelow(limit)
      expect(length).toBeLessThanOrEqual(limit * (1 + 1e-9))
      expect(length * 2.5).toBeGreaterThanOrEqual(limit * (1 - 1e-9))
      expect([1, 2, 5]).toContain(Math.round(length / 10 ** Math.floor(Math.log10(length * 1.0000001))))
    }
  })

  it('is as long on the screen as its label says', () => {
    // 0.25 um per level-0 px at 1:1: 25 um are 100 px.
    expect(scaleBar(1, 0, { x: 0.25, y: 0.25 }, 150)).toEqual({ width: 80, label: '20 µm' })
    expect(scaleBar(0.01, 0, { x: 0.25, y: 0.25 }, 150)).toEqual({ width: 80, label: '2 mm' })
    expect(scaleBar(32, 0, { x: 0.25, y: 0.25 }, 150)).toEqual({ width: 128, label: '1 µm' })
  })

  it('counts pixels when their size is unknown', () => {
    expect(scaleBar(0.1, 0, null, 150)).toEqual({ width: 100, label: '1,000 px' })
  })

  it('follows the turn of a slide whose pixels are not square', () => {
    const mpp = { x: 0.5, y: 1 }
    expect(mppAlongScreen(mpp, 0)).toBe(0.5)
    expect(mppAlongScreen(mpp, Math.PI / 2)).toBeCloseTo(1, 12)
    expect(scaleBar(1, Math.PI / 2, mpp, 150).width).toBeCloseTo(100, 9)
  })
})

describe('numbers', () => {
  it('have three digits that matter', () => {
    expect([0, 0.2144, 2.909, 48.21, 1234.4, 0.00012345].map(formatSignificant)).toEqual([
      '0',
      '0.214',
      '2.91',
      '48.2',
      '1,234',
      '0.000123',
    ])
  })

  it('have the unit that suits them', () => {
    expect([0.3, 3, 999, 2910].map(formatLength)).toEqual(['300 nm', '3 µm', '999 µm', '2.91 mm'])
    expect([120, 214_000].map(formatArea)).toEqual(['120 µm²', '0.214 mm²'])
  })

  it('agree with their noun', () => {
    expect([0, 1, 1295].map((count) => plural(count, 'slide'))).toEqual(['0 slides', '1 slide', '1,295 slides'])
  })

  it('of time that cannot be read are left as they are', () => {
    expect(formatTime('soon')).toBe('soon')
    expect(formatTime('2026-05-01T10:00:00Z')).toMatch(/^2026-0[45]-\d\d \d\d:\d\d$/)
  })
})
