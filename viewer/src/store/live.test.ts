import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parseChange, type SlideChange } from '../api/events'
import { Live } from './live'

/** A page that can be looked away from. */
class FakePage extends EventTarget {
  hidden = false

  turn(hidden: boolean): void {
    this.hidden = hidden
    this.dispatchEvent(new Event('visibilitychange'))
  }
}

class FakeSource extends EventTarget {
  static all: FakeSource[] = []
  closed = false

  constructor(readonly url: string) {
    super()
    FakeSource.all.push(this)
  }

  close(): void {
    this.closed = true
  }

  tell(change: Partial<SlideChange>): void {
    const data = JSON.stringify({
      revision: 1,
      author: 'x',
      ids: null,
      count: 1,
      box: null,
      kind: 'updated',
      ...change,
    })
    this.dispatchEvent(new MessageEvent('changed', { data }))
  }
}

beforeEach(() => {
  FakeSource.all = []
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', FakeSource)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function follow(live: Live): { page: FakePage; told: SlideChange[]; opened: () => number; stop: () => void } {
  const [page, told] = [new FakePage(), [] as SlideChange[]]
  let opened = 0
  const stop = live.follow(
    page as unknown as Document,
    (change) => told.push(change),
    () => opened++,
  )
  return { page, told, opened: () => opened, stop }
}

describe('a live slide', () => {
  it('asks for tiles anew once for changes that come together, and only where they are', () => {
    const live = new Live('a/b')
    live.begin(10)
    const { told } = follow(live)
    const [source] = FakeSource.all
    expect(source?.url).toBe('/api/slides/a%2Fb/events')
    source?.tell({ revision: 11, box: [0, 0, 10, 10] })
    source?.tell({ revision: 12, box: [20, 20, 30, 30] })
    expect(live.edition.value).toBe(1)
    vi.advanceTimersByTime(1000)
    expect([live.edition.value, live.revision.value, told.length]).toEqual([2, 12, 2])
    expect(live.revisionAt([0, 0, 5, 5])).toBe(11)
    expect(live.revisionAt([50, 50, 60, 60])).toBe(10)
  })

  it('shows an own save in the next edition, and takes its event for no news', () => {
    const live = new Live('s')
    live.begin(10)
    follow(live)
    expect(live.note(11, [0, 0, 10, 10])).toBe(2)
    vi.advanceTimersByTime(1000)
    FakeSource.all[0]?.tell({ revision: 11, box: [0, 0, 10, 10] })
    vi.advanceTimersByTime(1000)
    expect(live.edition.value).toBe(2)
    // Told of before the answer to the save has come: it is shown all the same, and its overlay can go.
    FakeSource.all[0]?.tell({ revision: 12, box: [0, 0, 10, 10] })
    vi.advanceTimersByTime(1000)
    expect(live.note(12, [0, 0, 10, 10])).toBe(4)
    vi.advanceTimersByTime(1000)
    expect(live.edition.value).toBe(4)
  })

  it('holds no connection while nobody looks, and says when it stands again', () => {
    const { page, opened, stop } = follow(new Live('s'))
    page.turn(true)
    expect(FakeSource.all.map(({ closed }) => closed)).toEqual([true])
    page.turn(false)
    page.turn(false)
    expect(FakeSource.all.map(({ closed }) => closed)).toEqual([true, false])
    FakeSource.all[1]?.dispatchEvent(new Event('open'))
    expect(opened()).toBe(1)
    stop()
    page.turn(true)
    page.turn(false)
    expect(FakeSource.all.map(({ closed }) => closed)).toEqual([true, true])
  })

  it('asks for the same again only when there is something new', () => {
    const live = new Live('s')
    live.begin(3)
    live.begin(3)
    expect(live.edition.value).toBe(1)
    live.begin(4)
    expect([live.edition.value, live.newest]).toEqual([2, 4])
  })
})

describe('an event', () => {
  it('is read with what it may leave out', () => {
    expect(parseChange('{"revision": 4, "author": "rk", "ids": ["a"], "count": 1, "box": [1, 2, 3, 4]}')).toEqual({
      revision: 4,
      author: 'rk',
      ids: ['a'],
      count: 1,
      box: [1, 2, 3, 4],
      isDeletion: false,
    })
    const kinds = ['created', 'updated', 'deleted', 'removed', 'restored']
    const read = kinds.map((kind) => parseChange(JSON.stringify({ revision: 4, kind }))?.isDeletion)
    expect(read).toEqual([false, false, true, true, false])
    expect(parseChange('{"revision": 4, "ids": null, "box": null}')).toMatchObject({ ids: null, box: null, count: 0 })
  })

  it.each(['', '[]', '{"revision": "4"}', 'null'])('that makes no sense is none: %s', (text) => {
    expect(parseChange(text)).toBeNull()
  })
})
