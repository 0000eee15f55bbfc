/** Things by address: each asked for once, kept as long as there is room, given up when nobody waits any more. */
import { ByteCache } from './byte-cache'

export type Fetch<T> = (url: string, signal: AbortSignal) => Promise<T>

interface Waiting<T> {
  readonly answer: Promise<T>
  readonly abort: AbortController
  waiters: number
}

export class SampleStore<T extends { readonly byteLength: number } = ArrayBuffer> {
  private readonly kept: ByteCache<T>
  private readonly coming = new Map<string, Waiting<T>>()

  constructor(
    private readonly fetchOne: Fetch<T>,
    budget: number,
  ) {
    this.kept = new ByteCache(budget)
  }

  /** Give one; rejects when they cannot be had, or when `signal` says that they are not wanted. */
  async load(url: string, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const kept = this.kept.get(url)
    if (kept) return kept
    const waiting = this.coming.get(url) ?? this.ask(url)
    waiting.waiters++
    const leave = (): void => {
      waiting.waiters--
      if (waiting.waiters > 0) return
      // A later request must not join one that is being given up.
      if (this.coming.get(url) === waiting) this.coming.delete(url)
      waiting.abort.abort()
    }
    signal.addEventListener('abort', leave)
    try {
      return await waiting.answer
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  private ask(url: string): Waiting<T> {
    const abort = new AbortController()
    const answer = this.fetchOne(url, abort.signal)
    const waiting: Waiting<T> = { answer, abort, waiters: 0 }
    this.coming.set(url, waiting)
    const done = (): void => {
      if (this.coming.get(url) === waiting) this.coming.delete(url)
    }
    answer.then((found) => {
      this.kept.put(url, found)
      done()
    }, done)
    return waiting
  }
}
