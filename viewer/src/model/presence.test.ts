import { describe, expect, it } from 'vitest'
import { colorOfAccount, cornersOfPresent, initialsOf, parsePresence } from './presence'

const seen = { account: 'rk', client: 'c1', x: 100, y: 200, width: 40, height: 20, rotation: 0 }

describe('who is there', () => {
  it('is read from an event, without what makes no sense', () => {
    expect(parsePresence(JSON.stringify({ items: [seen, { ...seen, x: null }, 7, null] }))).toEqual([seen])
    expect(parsePresence('{"items": 3}')).toEqual([])
    expect(parsePresence('no JSON')).toEqual([])
  })

  it('has four corners about the centre of the box, turned the other way when the slide is turned', () => {
    expect(cornersOfPresent(seen)).toEqual([
      [100, 200],
      [140, 200],
      [140, 220],
      [100, 220],
    ])
    const turned = cornersOfPresent({ ...seen, rotation: 90 })
    // A slide turned clockwise by 90 degrees has its lower left corner at the top left of the screen.
    expect(turned[0]?.[0]).toBeCloseTo(110)
    expect(turned[0]?.[1]).toBeCloseTo(230)
  })

  it('has one colour everywhere and a letter or two', () => {
    expect(colorOfAccount('Ana')).toBe(colorOfAccount('Ana'))
    expect(new Set(['Ana', 'Ben', 'Cleo', 'Dag'].map(colorOfAccount)).size).toBeGreaterThan(1)
    expect(initialsOf('ana maria')).toBe('AM')
    expect(initialsOf('rk')).toBe('RK')
  })
})
