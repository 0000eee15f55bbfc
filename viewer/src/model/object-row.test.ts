import { describe, expect, it } from 'vitest'
import { featureOf, square } from '../../test/features'
import { nextOrder, rowOf, sortedAs } from './object-row'
import { rowWindow, scrollToRow } from './window'

describe('a row', () => {
  const feature = featureOf('a', square(10, 20, 4), 'Tumour', 'mine')
  const provenance = { created: '2026-01-01T00:00:00Z', updated: '2026-01-02T00:00:00Z' }
  const stored = { ...feature, properties: { ...feature.properties, number: 7, author: 'rk', score: 0.5, provenance } }

  it('says what the columns show', () => {
    expect(rowOf(stored, null)).toEqual({
      number: 7,
      id: 'a',
      revision: 0,
      className: 'Tumour',
      layer: 'mine',
      state: 'draft',
      score: 0.5,
      area: 16,
      author: 'rk',
      updated: provenance.updated,
      box: [10, 20, 14, 24],
    })
  })

  it('has its area in µm² where the pixel size is known, and none for a point', () => {
    expect(rowOf(stored, { x: 0.5, y: 0.25 }).area).toBeCloseTo(2)
    expect(rowOf({ ...stored, geometry: { type: 'Point', coordinates: [1, 2] } }, null).area).toBeNull()
  })
})

describe('the order', () => {
  it('goes up, down and back to that of numbers', () => {
    expect(nextOrder('number', 'area')).toBe('area')
    expect(nextOrder('area', 'area')).toBe('-area')
    expect(nextOrder('-area', 'area')).toBe('number')
    expect(nextOrder('-area', 'class')).toBe('class')
    expect([sortedAs('area', 'area'), sortedAs('-area', 'area'), sortedAs('area', 'class')]).toEqual([
      'ascending',
      'descending',
      'none',
    ])
  })
})

describe('the window of rows', () => {
  it('is as large for a million rows as for a hundred', () => {
    for (const count of [1_000, 1_000_000]) {
      for (const top of [0, 2_345, count * 28 - 560]) {
        const { from, to } = rowWindow(count, 28, top, 560)
        expect(from).toBeLessThanOrEqual(top / 28)
        expect(to).toBeGreaterThanOrEqual(Math.min(count, (top + 560) / 28))
        expect(to - from).toBeLessThanOrEqual(20 + 2 * 8 + 2)
      }
    }
    expect(rowWindow(3, 28, 0, 560)).toEqual({ from: 0, to: 3 })
    expect(rowWindow(3, 28, 9_999, 560).from).toBeLessThanOrEqual(3)
  })

  it('scrolls as little as brings a row into sight', () => {
    expect(scrollToRow(5, 28, 0, 280)).toBe(0)
    expect(scrollToRow(10, 28, 0, 280)).toBe(28)
    expect(scrollToRow(2, 28, 280, 280)).toBe(56)
  })
})
