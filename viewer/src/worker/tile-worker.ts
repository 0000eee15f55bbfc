/** The worker: takes jobs, fetches samples, gives bitmaps. */
import { fetchBytes, Refused } from './fetch-bytes'
import { Painter } from './painter'
import type { FromWorker, PaintJob, ToWorker } from './protocol'
import { SampleStore } from './sample-store'

/** Samples that are kept, so that a change of colours fetches nothing. */
const BUDGET_BYTES = 128 << 20

const painter = new Painter(new SampleStore(fetchBytes, BUDGET_BYTES))
const running = new Map<number, AbortController>()

function say(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer })
}

async function paint(job: PaintJob): Promise<void> {
  const abort = new AbortController()
  running.set(job.id, abort)
  try {
    const pixels = await painter.paint(job, abort.signal)
    const picture = new ImageData(pixels, job.width, job.height)
    const bitmap = await createImageBitmap(picture, 0, 0, job.side, job.side)
    say({ kind: 'painted', id: job.id, bitmap }, [bitmap])
  } catch (error) {
    say({ kind: 'failed', id: job.id, status: error instanceof Refused ? error.status : 0 })
  } finally {
    running.delete(job.id)
  }
}

self.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === 'abort') running.get(data.id)?.abort()
  else void paint(data.job)
})
