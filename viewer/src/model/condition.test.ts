import { describe, expect, it } from 'vitest'
import { asksForArea, forServer, inReadersPlaces } from './condition'

const mpp = { x: 0.25, y: 0.5 }

describe('conditions', () => {
  it('count areas in µm² where the pixel size is known', () => {
    expect(forServer('area > 100 AND 5 < "area"', mpp)).toBe('(area * 0.125) > 100 AND 5 < (area * 0.125)')
    expect(forServer('area > 100', null)).toBe('area > 100')
  })

  it.each([
    "class = 'area'",
    "name = 'it''s area'",
    'measurements."Nucleus: area" > 2',
    'measurements.area > 2',
    'properties . area > 2',
    '"measurements.area" > 2',
    'areas > 2',
    'area.x > 2',
  ])('leave %s as it is', (condition) => {
    expect(forServer(condition, mpp)).toBe(condition)
    expect(asksForArea(condition)).toBe(false)
  })

  it('are told to ask for areas', () => {
    expect([asksForArea('score > 1 AND NOT(area<2)'), asksForArea('score > 1')]).toEqual([true, false])
  })

  it('have their mistakes where the reader has made them', () => {
    const condition = 'area > 1 AND area >'
    const sent = forServer(condition, mpp)
    const told = (place: number): string => inReadersPlaces(`Not at character ${place}: why.`, condition, mpp)
    expect(told(sent.length + 1)).toBe(`Not at character ${condition.length + 1}: why.`)
    expect(told(sent.indexOf('AND') + 1)).toBe('Not at character 10: why.')
    expect(told(1)).toBe('Not at character 1: why.')
    expect(told(sent.lastIndexOf('area') + 1)).toBe('Not at character 14: why.')
    expect(inReadersPlaces('The server is away.', condition, mpp)).toBe('The server is away.')
  })
})
