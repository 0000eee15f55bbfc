import { describe, expect, it } from 'vitest'
import { ByteCache } from './byte-cache'
import { Painter, WrongSize } from './painter'
import { SampleStore } from './sample-store'

/** The same cache in the plainest form: a list with what was used last at the end. */
class Model {
  entries: (readonly [string, number])[] = []

  get bytes(): number {
    return this.entries.reduce((sum, [, size]) => sum + size, 0)
  }

  get(key: string): number | undefined {
    const found = this.entries.find(([name]) => name === key)
    if (found) this.entries = [...this.entries.filter((entry) => entry !== found), found]
    return found?.[1]
  }

  put(key: string, size: number, budget: number): void {
    this.entries = this.entries.filter(([name]) => name !== key)
    if (size <= budget) this.entries.push([key, size])
    while (this.bytes > budget) this.entries.shift()
  }
}

describe('the byte cache', () => {
  it('always counts just what it holds, and never more than its budget', () => {
    const [cache, model] = [new ByteCache<Uint8Array>(1000), new Model()]
    let seed = 7
    const random = (below: number): number => {
      seed = (seed * 48271) % 2147483647
      return seed % below
    }
    for (let step = 0; step < 5000; step++) {
      const key = String(random(40))
      if (random(3) === 0) expect(cache.get(key)?.byteLength).toBe(model.get(key))
      else {
        const size = random(random(10) === 0 ? 1500 : 200)
        cache.put(key, new Uint8Array(size))
        model.put(key, size, 1000)
      }
      expect([cache.bytes, cache.size]).toEqual([model.bytes, model.entries.length])
      expect(cache.bytes).toBeLessThanOrEqual(1000)
    }
  })
})

class Server {
  readonly asked: string[] = []
  readonly aborted: string[] = []
  private readonly answers = new Map<string, (bytes: ArrayBuffer | Error) => void>()

  readonly fetchBytes = (url: string, signal: AbortSignal): Promise<ArrayBuffer> => {
    this.asked.push(url)
    return new Promise((resolve, reject) => {
      this.answers.set(url, (bytes) => (bytes instanceof Error ? reject(bytes) : resolve(bytes)))
      signal.addEventListener('abort', () => {
        this.aborted.push(url)
        reject(signal.reason)
      })
    })
  }

  answer(url: string, bytes: ArrayBuffer | Error): void {
    this.answers.get(url)?.(bytes)
  }
}

const never = new AbortController().signal

describe('samples', () => {
  it('are asked for once, whoever waits for them and however often', async () => {
    const server = new Server()
    const store = new SampleStore(server.fetchBytes, 100)
    const both = Promise.all([store.load('a', never), store.load('a', never)])
    server.answer('a', new ArrayBuffer(8))
    expect((await both).map(({ byteLength }) => byteLength)).toEqual([8, 8])
    await store.load('a', never)
    expect(server.asked).toEqual(['a'])
  })

  it('are given up only when nobody waits any more', async () => {
    const server = new Server()
    const store = new SampleStore(server.fetchBytes, 100)
    const [first, second] = [new AbortController(), new AbortController()]
    const loads = [store.load('a', first.signal), store.load('a', second.signal)]
    const ends = Promise.allSettled(loads)
    first.abort()
    expect(server.aborted).toEqual([])
    second.abort()
    expect(server.aborted).toEqual(['a'])
    expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    // and whoever wants them then gets them
    const again = store.load('a', never)
    server.answer('a', new ArrayBuffer(4))
    expect((await again).byteLength).toBe(4)
  })

  it('that could not be had are asked for again', async () => {
    const server = new Server()
    const store = new SampleStore(server.fetchBytes, 100)
    const failing = store.load('a', never)
    server.answer('a', new Error('gone'))
    await expect(failing).rejects.toThrow('gone')
    const again = store.load('a', never)
    server.answer('a', new ArrayBuffer(4))
    expect((await again).byteLength).toBe(4)
    expect(server.asked).toEqual(['a', 'a'])
  })

  it('that came are kept when a waiter leaves later', async () => {
    const server = new Server()
    const store = new SampleStore(server.fetchBytes, 100)
    const waiter = new AbortController()
    const load = store.load('a', waiter.signal)
    server.answer('a', new ArrayBuffer(4))
    await load
    waiter.abort()
    expect(server.aborted).toEqual([])
    await store.load('a', never)
    expect(server.asked).toEqual(['a'])
  })
})

describe('the painter', () => {
  const light = { channel: 0, color: [255, 0, 0], window: [0, 255], gamma: 1 } as const
  const job = { id: 1, type: 'uint8', width: 2, height: 1, side: 4 } as const

  it('fetches nothing when only colours and windows change', async () => {
    const server = new Server()
    const painter = new Painter(new SampleStore(server.fetchBytes, 100))
    const painted = painter.paint({ ...job, parts: [{ url: 'a', light }] }, never)
    server.answer('a', Uint8Array.from([0, 102]).buffer)
    expect([...(await painted)]).toEqual([0, 0, 0, 255, 102, 0, 0, 255])
    const green = { ...light, color: [0, 255, 0], window: [0, 204] } as const
    expect([...(await painter.paint({ ...job, parts: [{ url: 'a', light: green }] }, never))]).toEqual([
      0, 0, 0, 255, 0, 128, 0, 255,
    ])
    expect(server.asked).toEqual(['a'])
  })

  it('refuses an answer of another size than the tile', async () => {
    const server = new Server()
    const painter = new Painter(new SampleStore(server.fetchBytes, 100))
    const painted = painter.paint({ ...job, parts: [{ url: 'a', light }] }, never)
    server.answer('a', new ArrayBuffer(3))
    await expect(painted).rejects.toBeInstanceOf(WrongSize)
  })
})
