/** Puts tiles together out of their channels' samples. */
import type { Light, SampleType } from '../model/samples'
import { addLight, pixelsOf, samplesOf, shareTable } from './compose'
import type { PaintJob } from './protocol'
import type { SampleStore } from './sample-store'

/** Tables of at most 256 kB that are kept: as many as channels that anybody looks at at once. */
const MOST_TABLES = 32

/** The answer had another size than the tile. */
export class WrongSize extends Error {}

export class Painter {
  private readonly tables = new Map<string, Float32Array | null>()

  constructor(private readonly samples: SampleStore) {}

  /** Give a tile's opaque pixels, red, green, blue and alpha. */
  async paint(job: PaintJob, signal: AbortSignal): Promise<Uint8ClampedArray<ArrayBuffer>> {
    const all = await Promise.all(job.parts.map(({ url }) => this.samples.load(url, signal)))
    signal.throwIfAborted()
    const sums = new Float32Array(job.width * job.height * 3)
    job.parts.forEach(({ light }, index) => {
      const samples = samplesOf(all[index] ?? new ArrayBuffer(0), job.type)
      if (samples.length !== job.width * job.height) throw new WrongSize()
      addLight(sums, samples, light, this.table(job.type, light))
    })
    return pixelsOf(sums)
  }

  private table(type: SampleType, { window, gamma }: Light): Float32Array | null {
    const key = [type, ...window, gamma].join(' ')
    const kept = this.tables.get(key)
    if (kept !== undefined) return kept
    const table = shareTable(type, window, gamma)
    const [oldest] = this.tables.keys()
    if (oldest !== undefined && this.tables.size >= MOST_TABLES) this.tables.delete(oldest)
    this.tables.set(key, table)
    return table
  }
}
