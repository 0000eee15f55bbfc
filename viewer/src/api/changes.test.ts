import { afterEach, describe, expect, it, vi } from 'vitest'
import { changesSince, eventsIn } from './changes'

afterEach(() => vi.unstubAllGlobals())

const encoder = new TextEncoder()

/** A stream that never ends by itself. */
function endless(parts: readonly string[], left: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part))
    },
    cancel: left,
  })
}

function changed(revision: number, id: number | null): string {
  const name = id === null ? '' : `id: ${id}\n`
  return `event: changed\n${name}data: ${JSON.stringify({ revision, kind: 'deleted', ids: ['x'], count: 1 })}\n\n`
}

describe('what has changed', () => {
  it('is read up to the revision that is asked for, however the stream is cut', async () => {
    const whole = `retry: 2000\nid: 3\n\n${changed(4, null)}${changed(4, 4)}event: presence\ndata: {}\n\n${changed(9, 9)}`
    const parts = [whole.slice(0, 50), whole.slice(50, 51), whole.slice(51)]
    const asked: [string, RequestInit][] = []
    vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
      asked.push([path, init])
      return new Response(endless(parts, () => undefined))
    })
    const found = await changesSince('s', 3, 9)
    expect(found.map(({ revision, kind, ids }) => [revision, kind, ids])).toEqual([
      [4, 'deleted', ['x']],
      [4, 'deleted', ['x']],
      [9, 'deleted', ['x']],
    ])
    const [[path, init] = []] = asked
    expect([path, new Headers(init?.headers).get('last-event-id')]).toEqual(['/api/slides/s/events', '3'])
    expect(init?.signal?.aborted).toBe(true)
  })

  it('is nothing where nothing is new, without a request', async () => {
    vi.stubGlobal('fetch', () => expect.unreachable())
    expect(await changesSince('s', 7, 7)).toEqual([])
  })

  it('cannot be told without a server', async () => {
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('offline')
    })
    await expect(changesSince('s', 1, 7)).rejects.toThrow('The server cannot be reached.')
  })
})

it('events keep what is not whole yet', () => {
  const { events, rest } = eventsIn('event: a\ndata: {"b": 1}\n\nevent: c')
  expect([events, rest]).toEqual([[{ event: 'a', data: '{"b": 1}' }], 'event: c'])
})
