import { describe, expect, it } from 'vitest'
import { readEvents } from './exchange'

const EVENTS =
  'event: progress\ndata: {"phase": "reading", "done": 3, "total": null}\n\nevent: report\ndata: {"read": 3}\n\n'

describe('events of an import', () => {
  it('are the same wherever the text is cut', () => {
    const whole = readEvents(EVENTS)
    expect(whole.events).toEqual([
      ['progress', { phase: 'reading', done: 3, total: null }],
      ['report', { read: 3 }],
    ])
    for (let at = 0; at <= EVENTS.length; at++) {
      const first = readEvents(EVENTS.slice(0, at))
      const second = readEvents(first.rest + EVENTS.slice(at))
      expect([...first.events, ...second.events]).toEqual(whole.events)
      expect(second.rest).toBe('')
    }
  })

  it('pass over comments', () => {
    expect(readEvents(': still here\n\n').events).toEqual([])
  })
})
