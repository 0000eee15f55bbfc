import { describe, expect, it } from 'vitest'
import { readingOrder } from './object-reader'

function part(...places: readonly (readonly [number: number, x: number, y: number])[]) {
  const column = (at: 0 | 1 | 2): Float64Array => Float64Array.from(places, (place) => place[at])
  return { numbers: column(0), xs: column(1), ys: column(2) }
}

describe('reading order', () => {
  it('goes row by row, and from left to right in each', () => {
    const parts = [part([3, 10, 55], [2, 70, 3]), part([1, 20, 6])]
    expect(readingOrder(parts, [0, 0, 100, 100])).toEqual([1, 2, 3])
  })

  it('has an object of several tiles once, where it begins', () => {
    const parts = [part([1, 50, 0]), part([2, 60, 0], [1, 90, 0]), part([1, 10, 40])]
    expect(readingOrder(parts, [0, 0, 100, 100])).toEqual([1, 2])
  })
})
