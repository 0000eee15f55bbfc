import { describe, expect, it } from 'vitest'
import { ChangeLog } from './change-log'

describe('the log of changes', () => {
  it('knows of each place when it changed last', () => {
    const log = new ChangeLog(5)
    expect(log.note(6, [0, 0, 10, 10])).toBe(true)
    expect(log.note(9, [100, 100, 110, 110])).toBe(true)
    expect(log.note(8, [5, 5, 20, 20])).toBe(true)
    const at = (x: number, y: number): number => log.revisionAt([x, y, x, y])
    expect([at(2, 2), at(7, 7), at(15, 15), at(105, 105), at(50, 50)]).toEqual([6, 8, 8, 9, 5])
    expect(log.newest).toBe(9)
  })

  it('takes what is told twice for no news', () => {
    const log = new ChangeLog(5)
    log.note(6, [0, 0, 10, 10])
    expect(log.note(6, [0, 0, 10, 10])).toBe(false)
    expect(log.note(5, null)).toBe(false)
    expect(log.note(4, [0, 0, 1, 1])).toBe(false)
  })

  it('takes all places for changed when nobody knows where', () => {
    const log = new ChangeLog(5)
    log.note(6, [0, 0, 10, 10])
    log.note(8, [0, 0, 10, 10])
    log.note(7, null)
    expect([log.revisionAt([50, 50, 51, 51]), log.revisionAt([1, 1, 2, 2])]).toEqual([7, 8])
  })

  it('does not grow without end', () => {
    const log = new ChangeLog(0)
    for (let n = 1; n <= 1000; n++) log.note(n, [n, n, n, n])
    // Places that changed long ago count as changed later than they did, never earlier.
    for (const n of [1, 500, 999, 1000]) expect(log.revisionAt([n, n, n, n])).toBeGreaterThanOrEqual(n)
    expect(Object.values(log).flat().length).toBeLessThan(300)
  })
})
