import { IDBFactory } from 'fake-indexeddb'
import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeServer } from '../../test/fake-server'
import { featureOf, square } from '../../test/features'
import type { Feature } from '../model/geojson'
import { keepsEdits, openPendingDb } from './pending-db'
import { retryDelay, SaveQueue } from './queue'

const A = '11111111-1111-4111-8111-111111111111'
const first = featureOf(A, square(0, 0, 10), 'Tumour')
const second = featureOf(A, square(5, 5, 20), 'Tumour')

let server: FakeServer
let disk: IDBFactory
let saved: [string, Feature | null, string, number | null][]

async function openQueue(user = 'rk', slide = 's'): Promise<SaveQueue> {
  const queue = new SaveQueue(user, slide, await openPendingDb(disk), (...report) => saved.push(report))
  await queue.restore()
  return queue
}

/** Wait for the queue to have nothing under way. */
async function rest(queue: SaveQueue): Promise<void> {
  await queue.flush()
}

beforeEach(() => {
  server = new FakeServer()
  server.install()
  disk = new IDBFactory()
  saved = []
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('saving', () => {
  it('creates, changes and deletes, each once', async () => {
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await rest(queue)
    expect(server.current(A)?.geometry).toEqual(first.geometry)
    await queue.enqueue(A, second)
    await rest(queue)
    expect(server.current(A)?.geometry).toEqual(second.geometry)
    await queue.enqueue(A, null)
    await rest(queue)
    expect(server.current(A)).toBeNull()
    expect(server.log.map((line) => line.split(' ')[0])).toEqual(['POST', 'GET', 'PUT', 'DELETE'])
    expect([queue.state.value, queue.revision.value]).toEqual(['saved', 3])
  })

  it('brings a deleted object back, with its content of now', async () => {
    const queue = await openQueue()
    for (const desired of [first, null, first, null, second]) {
      await queue.enqueue(A, desired)
      await rest(queue)
      expect(server.current(A)?.geometry ?? null).toEqual(desired?.geometry ?? null)
    }
    expect(queue.state.value).toBe('saved')
  })

  it('sends only the last of several edits that came while one was under way', async () => {
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await Promise.all([10, 20, 30].map((side) => queue.enqueue(A, featureOf(A, square(0, 0, side), 'Tumour'))))
    await queue.enqueue(A, second)
    await rest(queue)
    expect(server.current(A)?.geometry).toEqual(second.geometry)
    expect(server.log.filter((line) => line.startsWith('PUT')).length).toBeLessThanOrEqual(2)
    expect(queue.pending.value.size).toBe(0)
  })

  it('tells what the server has made of an object', async () => {
    const repaired = { ...first, geometry: square(1, 1, 8) }
    server.repair = () => repaired
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await rest(queue)
    expect(saved).toHaveLength(1)
    expect(saved[0]?.[1]?.geometry).toEqual(repaired.geometry)
    expect(saved[0]?.[2]).toBe('It crossed itself.')
  })

  it('never creates what was deleted before it was sent', async () => {
    server.accident = 'offline'
    const queue = await openQueue()
    const done = queue.enqueue(A, first)
    await done
    await rest(queue)
    queue.dispose()
    server.accident = 'none'
    await queue.enqueue(A, null)
    await rest(queue)
    expect(server.current(A)).toBeNull()
    expect(queue.state.value).toBe('saved')
  })
})

describe('accidents', () => {
  it('offline: keeps everything on disk, and sends it after a restart in the order of editing', async () => {
    server.accident = 'offline'
    const queue = await openQueue()
    const ids = ['c', 'a', 'b']
    for (const id of ids) await queue.enqueue(id, featureOf(id, square(0, 0, 5)))
    await rest(queue)
    expect([queue.state.value, queue.waiting.value]).toEqual(['offline', 3])
    queue.dispose()

    server.accident = 'none'
    const again = await openQueue()
    expect(again.waiting.value).toBe(3)
    await rest(again)
    expect(server.log.filter((line) => line.startsWith('GET'))).toEqual(ids.map((id) => `GET /api/annotations/${id}`))
    expect((await openQueue()).pending.value.size).toBe(0)
  })

  it('keeps the queues of users and slides apart', async () => {
    server.accident = 'offline'
    const queue = await openQueue('rk', 's')
    await queue.enqueue(A, first)
    await rest(queue)
    queue.dispose()
    expect((await openQueue('other', 's')).pending.value.size).toBe(0)
    expect((await openQueue('rk', 's2')).pending.value.size).toBe(0)
    expect((await openQueue('rk', 's')).pending.value.size).toBe(1)
  })

  it.each([
    ['created', [first], null],
    ['changed', [first, second], null],
    ['deleted', [first, null], null],
    ['created, and then edited', [first], second],
    ['created, and then deleted', [first], 'gone'],
  ] as const)('a lost answer: %s once all the same', async (_, steps, later) => {
    const queue = await openQueue()
    for (const desired of steps.slice(0, -1)) {
      await queue.enqueue(A, desired)
      await rest(queue)
    }
    const last = steps.at(-1) ?? null
    server.accident = 'lost-answer'
    await queue.enqueue(A, last)
    await rest(queue)
    expect(queue.state.value).toBe('offline')
    const arrived = server.revision
    server.accident = 'none'
    const wanted = later === 'gone' ? null : (later ?? last)
    if (later) await queue.enqueue(A, wanted)
    await rest(queue)
    expect(queue.state.value).toBe('saved')
    expect(server.current(A)?.geometry ?? null).toEqual(wanted?.geometry ?? null)
    expect(server.revision - arrived).toBe(later ? 1 : 0)
    queue.dispose()
  })

  it('tries again by itself, and later each time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    server.accident = { status: 503, detail: 'Not now.' }
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await rest(queue)
    expect(queue.state.value).toBe('offline')
    server.accident = 'none'
    await vi.advanceTimersByTimeAsync(retryDelay(1))
    vi.useRealTimers()
    await vi.waitFor(() => expect(queue.state.value).toBe('saved'))
    expect([1, 2, 3, 9].map(retryDelay)).toEqual([1000, 2000, 4000, 30_000])
  })

  it('signed out: waits without trying, and keeps what it has', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    server.accident = { status: 401, detail: 'Nobody is signed in.' }
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await rest(queue)
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
    expect((await openQueue()).waiting.value).toBe(1)
  })

  it('refused: says why, stays, and goes out again when it is edited', async () => {
    server.accident = { status: 422, detail: 'The outline has no area.' }
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await rest(queue)
    expect(queue.state.value).toBe('refused')
    expect(queue.pending.value.get(A)?.reason).toBe('The outline has no area.')
    server.accident = 'none'
    await queue.enqueue(A, second)
    await rest(queue)
    expect(queue.state.value).toBe('saved')
    expect(server.current(A)?.geometry).toEqual(second.geometry)
  })

  it('no disk: goes on in memory and says so', async () => {
    const db = await openPendingDb(disk)
    const queue = new SaveQueue('rk', 's', { ...db, put: () => Promise.reject(new Error('full')) }, () => undefined)
    await queue.enqueue(A, first)
    await rest(queue)
    expect(queue.durable.value).toBe(false)
    expect(server.current(A)?.geometry).toEqual(first.geometry)
  })
})

describe('an ended session', () => {
  it('finds out without an account whether edits wait here', async () => {
    expect(await keepsEdits(disk)).toBe(false)
    const queue = await openQueue()
    server.accident = 'offline'
    await queue.enqueue(A, first)
    await rest(queue)
    queue.dispose()
    expect(await keepsEdits(disk)).toBe(true)
    server.accident = 'none'
    await rest(queue)
    expect(await keepsEdits(disk)).toBe(false)
  })
})

describe('several windows', () => {
  const B = '22222222-2222-4222-8222-222222222222'
  const nobody = async (): Promise<ReadonlySet<string>> => new Set()

  it('take up what one has left that was closed without a connection, in its order, once', async () => {
    const [closed, open] = [await openQueue(), await openQueue()]
    server.accident = 'offline'
    await closed.enqueue(A, first)
    await closed.enqueue(B, featureOf(B, square(3, 3, 3)))
    const group = { action: 'delete', isBack: false, members: [], undoes: null } as const
    const id = closed.enqueueGroup(group)
    await rest(closed)
    closed.dispose()
    expect(open.state.value).toBe('saved')
    expect((await open.adopt(nobody)).map((record) => record.id)).toEqual([A, B, id])
    expect([open.state.value, open.waiting.value, open.held()]).toEqual(['saving', 2, [A, B, id]])
    expect(await open.adopt(nobody)).toEqual([])
    server.accident = 'none'
    await rest(open)
    expect([server.current(A)?.geometry, open.state.value]).toEqual([first.geometry, 'saved'])
    expect((await openQueue()).held()).toEqual([])
  })

  it('leave alone what another one holds, has saved or has edited meanwhile', async () => {
    const [other, open] = [await openQueue(), await openQueue()]
    server.accident = 'offline'
    await other.enqueue(A, first)
    expect(await open.adopt(async () => new Set([A]))).toEqual([])
    expect(await open.adopt(async () => null)).toEqual([])
    const edited = async (): Promise<ReadonlySet<string>> => {
      await other.enqueue(A, second)
      return new Set()
    }
    expect(await open.adopt(edited)).toEqual([])
    server.accident = 'none'
    const saved = async (): Promise<ReadonlySet<string>> => {
      await rest(other)
      await rest(other)
      return new Set()
    }
    expect(await open.adopt(saved)).toEqual([])
    expect(open.state.value).toBe('saved')
  })
})

describe('conflicts', () => {
  const theirs = featureOf(A, square(100, 100, 7), 'Stroma')

  async function conflict(mine: Feature | null, other: Feature | null): Promise<SaveQueue> {
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await rest(queue)
    server.write(A, other)
    await queue.enqueue(A, mine)
    await rest(queue)
    expect(queue.state.value).toBe('conflict')
    expect(queue.pending.value.get(A)?.theirs?.feature?.geometry ?? null).toEqual(other?.geometry ?? null)
    return queue
  }

  it('are settled by taking mine', async () => {
    const queue = await conflict(second, theirs)
    await queue.resolve(A, 'mine')
    await rest(queue)
    expect(server.current(A)?.geometry).toEqual(second.geometry)
    expect(queue.state.value).toBe('saved')
  })

  it('are settled by taking theirs', async () => {
    const queue = await conflict(second, theirs)
    expect((await queue.resolve(A, 'theirs'))?.geometry).toEqual(theirs.geometry)
    expect(queue.state.value).toBe('saved')
    await queue.enqueue(A, second)
    await rest(queue)
    expect(server.current(A)?.geometry).toEqual(second.geometry)
  })

  it('with a deletion of theirs can bring mine back', async () => {
    const queue = await conflict(second, null)
    await queue.resolve(A, 'mine')
    await rest(queue)
    expect(server.current(A)?.geometry).toEqual(second.geometry)
  })

  it('with a deletion of mine can delete theirs', async () => {
    const queue = await conflict(null, theirs)
    await queue.resolve(A, 'mine')
    await rest(queue)
    expect(server.current(A)).toBeNull()
    expect(queue.state.value).toBe('saved')
  })

  it('survive a restart, and later edits do not hide them', async () => {
    const queue = await conflict(second, theirs)
    await queue.enqueue(A, featureOf(A, square(0, 0, 3)))
    expect(queue.state.value).toBe('conflict')
    expect((await openQueue()).state.value).toBe('conflict')
  })

  it('are none when both wrote the same', async () => {
    const queue = await openQueue()
    await queue.enqueue(A, first)
    await rest(queue)
    server.write(A, second)
    await queue.enqueue(A, second)
    await rest(queue)
    expect(queue.state.value).toBe('saved')
  })

  it('arise when a creation arrived unseen and somebody edited it since', async () => {
    const queue = await openQueue()
    server.accident = 'lost-answer'
    await queue.enqueue(A, first)
    await rest(queue)
    server.accident = 'none'
    server.write(A, theirs)
    await rest(queue)
    expect(queue.state.value).toBe('conflict')
    expect(queue.pending.value.get(A)?.theirs?.feature?.geometry).toEqual(theirs.geometry)
  })
})
