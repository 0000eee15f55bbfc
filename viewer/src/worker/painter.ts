/** Puts tiles together out of their channels' samples. */
import type { Light, SampleType } from '../model/samples'
import { Lights, type LightTable, lightTable, samplesOf } from './compose'
import type { PaintJob } from './protocol'
import type { SampleStore } from './sample-store'

/** Tables of at most 384 KiB that are kept: as many as channels that anybody looks at at once. */
const MOST_TABLES = 32

/** The answer had another size than the tile. */
export class WrongSize extends Error {}

export class Painter {
  private readonly tables = new Map<string, LightTable | null>()

  constructor(private readonly samples: SampleStore) {}

  /** Give a tile's opaque pixels, red, green, blue and alpha. */
  async paint(job: PaintJob, signal: AbortSignal): Promise<Uint8ClampedArray<ArrayBuffer>> {
    const all = await Promise.all(job.parts.map(({ url }) => this.samples.load(url, signal)))
    signal.throwIfAborted()
    const lights = new Lights(job.width * job.height)
    job.parts.forEach(({ light }, index) => {
      const samples = samplesOf(all[index] ?? new ArrayBuffer(0), job.type)
      if (samples.length !== job.width * job.height) throw new WrongSize()
      lights.add(samples, light, this.table(job.type, light))
    })
    return lights.pixels()
  }

  private table(type: SampleType, light: Light): LightTable | null {
    const key = [type, ...light.color, ...light.window, light.gamma].join(' ')
    const kept = this.tables.get(key)
    if (kept !== undefined) return kept
    const table = lightTable(type, light)
    const [oldest] = this.tables.keys()
    if (oldest !== undefined && this.tables.size >= MOST_TABLES) this.tables.delete(oldest)
    this.tables.set(key, table)
    return table
  }
}
