/** The page's side of the worker that puts tiles together. */
import { signedOut } from '../api/http'
import type { FromWorker, PaintJob, ToWorker } from '../worker/protocol'

interface Waiting {
  readonly resolve: (bitmap: ImageBitmap) => void
  readonly reject: (error: Error) => void
}

export class Composer {
  private readonly worker = new Worker(new URL('../worker/tile-worker.ts', import.meta.url), { type: 'module' })
  private readonly waiting = new Map<number, Waiting>()
  private last = 0
  private ended = false

  constructor(
    /** Called whenever the worker has nothing left to do. */
    private readonly idle: () => void,
    /** Called once when the worker cannot be had, or has ended by an error. */
    private readonly lost: () => void,
  ) {
    this.worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => this.receive(data))
    this.worker.addEventListener('error', () => {
      if (this.ended) return
      this.dispose()
      this.lost()
    })
  }

  /** Whether there is no worker any more. */
  get gone(): boolean {
    return this.ended
  }

  get busy(): boolean {
    return this.waiting.size > 0
  }

  /** Have one tile put together; rejects when its samples cannot be had. */
  paint(job: Omit<PaintJob, 'id'>, signal: AbortSignal): Promise<ImageBitmap> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.say({ kind: 'paint', job: { ...job, id } })
      signal.addEventListener('abort', () => this.say({ kind: 'abort', id }), { once: true })
    })
  }

  dispose(): void {
    this.ended = true
    this.worker.terminate()
    for (const { reject } of this.waiting.values()) reject(new Error('The worker has ended.'))
    this.waiting.clear()
  }

  private say(message: ToWorker): void {
    this.worker.postMessage(message)
  }

  private receive(message: FromWorker): void {
    const waiting = this.waiting.get(message.id)
    this.waiting.delete(message.id)
    if (message.kind === 'painted') waiting?.resolve(message.bitmap)
    else {
      if (message.status === 401) signedOut()
      waiting?.reject(new Error('The samples of a tile are not there.'))
    }
    if (!this.busy) this.idle()
  }
}
