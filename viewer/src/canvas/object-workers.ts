/** The page's side of the workers that hold objects: neighbouring tiles go to the same one, which has them already. */
import { signedOut } from '../api/http'
import type { ObjectStyle } from '../model/object-style'
import type { Answers, Ask, FromObjectWorker, ToObjectWorker } from '../worker/object-protocol'

interface Waiting {
  readonly resolve: (answer: never) => void
  readonly reject: (error: Error) => void
}

/** Two keep up with a screen; more would take memory for tiles of their own. */
const MOST_WORKERS = 2

function workerCount(): number {
  return Math.max(1, Math.min(MOST_WORKERS, navigator.hardwareConcurrency - 1))
}

export class ObjectWorkers {
  private workers: readonly Worker[] = []
  private style: ObjectStyle | null = null
  private readonly waiting = new Map<number, Waiting>()
  private last = 0
  private gone = false

  constructor(private readonly lost: () => void) {
    this.start()
  }

  /** Start workers anew where they have ended. */
  revive(): void {
    if (!this.gone) return
    for (const worker of this.workers) worker.terminate()
    this.start()
    if (this.style) this.restyle(this.style)
  }

  private start(): void {
    this.gone = false
    this.workers = Array.from({ length: workerCount() }, () => {
      const worker = new Worker(new URL('../worker/object-worker.ts', import.meta.url), { type: 'module' })
      worker.addEventListener('message', ({ data }: MessageEvent<FromObjectWorker>) => this.receive(data))
      worker.addEventListener('error', () => {
        // One that was ended has nothing more to say.
        if (!this.workers.includes(worker)) return
        this.giveUp()
        this.lost()
      })
      return worker
    })
  }

  restyle(style: ObjectStyle): void {
    this.style = style
    for (const worker of this.workers) worker.postMessage({ kind: 'style', style } satisfies ToObjectWorker)
  }

  /** Ask the worker that tile (`col`, `row`) belongs to; rejects when the tile cannot be had. */
  ask<K extends Ask['kind']>(
    ask: Ask & { kind: K },
    { col, row }: { readonly col: number; readonly row: number },
    signal?: AbortSignal,
  ): Promise<Answers[K]> {
    const worker = this.workers[((col >> 1) + (row >> 1)) % this.workers.length]
    if (this.gone || !worker) return Promise.reject(new Error('There is no worker.'))
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      worker.postMessage({ kind: 'ask', id, ask } satisfies ToObjectWorker)
      const abort = (): void => worker.postMessage({ kind: 'abort', id } satisfies ToObjectWorker)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Which worker a tile belongs to, as a number to group tiles by. */
  workerOf({ col, row }: { readonly col: number; readonly row: number }): number {
    return ((col >> 1) + (row >> 1)) % this.workers.length
  }

  dispose(): void {
    for (const worker of this.workers) worker.terminate()
    this.giveUp()
  }

  private giveUp(): void {
    this.gone = true
    for (const { reject } of this.waiting.values()) reject(new Error('The worker has ended.'))
    this.waiting.clear()
  }

  private receive(message: FromObjectWorker): void {
    const waiting = this.waiting.get(message.id)
    this.waiting.delete(message.id)
    if (message.kind === 'answer') waiting?.resolve(message.answer as never)
    else {
      if (message.status === 401) signedOut()
      waiting?.reject(new Error('A tile of objects is not there.'))
    }
  }
}
