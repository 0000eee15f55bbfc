import { describe, expect, it } from 'vitest'
import { backoff, Speed } from './speed'

describe('speed', () => {
  it('is bytes per second over the last seconds', () => {
    const speed = new Speed()
    expect(speed.note(0, 0)).toBeNull()
    expect(speed.note(1000, 1000)).toBe(1000)
    for (let second = 2; second <= 10; second++) speed.note(1000, second * 1000)
    expect(speed.note(1000, 11_000)).toBe(0)
  })

  it('is unknown again after a pause', () => {
    const speed = new Speed()
    speed.note(0, 0)
    speed.reset()
    expect(speed.note(5, 1000)).toBeNull()
  })
})

it('waits twice as long each time, at most half a minute', () => {
  expect([0, 1, 2, 10].map(backoff)).toEqual([1000, 2000, 4000, 30_000])
})
