/** Bring in the server's objects for what is on the screen: the whole slide when it is small, else the place. */
import { signal } from '@preact/signals'
import { listAnnotations } from '../api/annotations'
import type { Feature } from '../model/geojson'
import { type Box, boxHolds } from '../model/geometry'
import { type View, viewBox } from '../model/view'

/** The most objects that are held and drawn at once. */
export const MAX_OBJECTS = 20_000
/** How far beyond the screen objects are loaded, as a part of the screen, so that panning finds them there. */
const MARGIN = 0.5

export interface LoadReport {
  readonly state: 'loading' | 'ready' | 'failed'
  /** False when the loaded place has more objects than are held. */
  readonly complete: boolean
}

interface Loaded {
  readonly box: Box | null
  readonly complete: boolean
}

export class AnnotationLoader {
  readonly report = signal<LoadReport>({ state: 'loading', complete: true })
  private loaded: Loaded | null = null
  private wanted: Box | null = null
  private abort: AbortController | null = null

  constructor(
    private readonly slide: string,
    /** How many objects the slide has, by the layers' own counts. */
    private readonly total: () => number,
    private readonly receive: (features: readonly Feature[]) => void,
  ) {}

  /** Load what `view` shows unless it is there already. */
  async update(view: View): Promise<void> {
    const screen = viewBox(view)
    if (this.covers(screen)) return
    const whole = this.total() <= MAX_OBJECTS
    const box = whole ? null : viewBox(view, MARGIN)
    if (this.abort && this.wanted && box && boxHolds(this.wanted, screen)) return
    this.abort?.abort()
    const abort = new AbortController()
    this.abort = abort
    this.wanted = box
    this.report.value = { ...this.report.peek(), state: 'loading' }
    try {
      const complete = await this.load(box, abort.signal)
      this.loaded = { box: complete ? box : screen, complete }
      this.report.value = { state: 'ready', complete }
    } catch {
      if (abort.signal.aborted) return
      this.fail()
    } finally {
      if (this.abort === abort) this.abort = null
    }
  }

  /** Ask again although nothing has moved. */
  reload(view: View): Promise<void> {
    this.loaded = null
    return this.update(view)
  }

  /** Objects cannot be had at all. */
  fail(): void {
    this.report.value = { ...this.report.peek(), state: 'failed' }
  }

  /** Resolves when nothing is being loaded. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.report.subscribe(({ state }) => {
        if (state === 'loading') return
        resolve()
        queueMicrotask(() => stop())
      })
    })
  }

  dispose(): void {
    this.abort?.abort()
  }

  /** An incomplete load serves only the very place that it was made for. */
  private covers(screen: Box): boolean {
    if (!this.loaded) return false
    const { box, complete } = this.loaded
    if (box === null) return true
    return complete ? boxHolds(box, screen) : boxHolds(box, screen) && boxHolds(screen, box)
  }

  private async load(box: Box | null, signal: AbortSignal): Promise<boolean> {
    const features: Feature[] = []
    let cursor: string | null = null
    do {
      const page = await listAnnotations(this.slide, box, cursor, signal)
      features.push(...page.features)
      cursor = page.next
    } while (cursor !== null && features.length < MAX_OBJECTS)
    this.receive(features.slice(0, MAX_OBJECTS))
    return cursor === null && features.length <= MAX_OBJECTS
  }
}
