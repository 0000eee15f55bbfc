/** Annotations on their way out: which ones, as which format, and what that would lose. */
import { signal } from '@preact/signals'
import { checkExport, exportAddress, exportReport } from '../api/exchange'
import { type ExportReport, type FrameChoice, NO_FRAME, statedOf } from '../model/exchange'

export class ExportChoice {
  readonly format = signal('geojson')
  readonly layer = signal('')
  readonly className = signal('')
  readonly asOf = signal('')
  /** Only what the list of objects lets through. */
  readonly asListed = signal(false)
  readonly frame = signal<FrameChoice>(NO_FRAME)
  readonly busy = signal<'' | 'looking' | 'checking'>('')
  readonly report = signal<ExportReport | null>(null)
  readonly problem = signal('')
  private asking = new AbortController()

  constructor(
    private readonly slide: string,
    /** How the list of objects is narrowed now. */
    private readonly narrowing: () => URLSearchParams,
  ) {}

  /** Something else is chosen: what was found out does not hold any more. */
  touched(): void {
    this.asking.abort()
    this.report.value = null
    this.problem.value = ''
  }

  /** Ask what the file would hold and lose. */
  async look(): Promise<void> {
    this.asking = new AbortController()
    const { signal: mine } = this.asking
    await this.attempt('looking', mine, async () => {
      const report = await exportReport(this.slide, this.query(), mine)
      if (!mine.aborted) this.report.value = report
    })
  }

  /** Answer the address of the file, or null when it cannot be had; then it is said why. */
  async address(): Promise<string | null> {
    const query = this.query()
    const isThere = await this.attempt('checking', null, () => checkExport(this.slide, query))
    return isThere ? exportAddress(this.slide, query) : null
  }

  private async attempt(
    busy: 'looking' | 'checking',
    mine: AbortSignal | null,
    work: () => Promise<void>,
  ): Promise<boolean> {
    this.problem.value = ''
    this.busy.value = busy
    try {
      await work()
      return true
    } catch (error) {
      if (!mine?.aborted) this.problem.value = error instanceof Error ? error.message : 'The file cannot be made.'
      return false
    } finally {
      this.busy.value = ''
    }
  }

  private query(): URLSearchParams {
    const query = statedOf({
      ...this.frame.peek(),
      format: this.format.peek(),
      layer: this.layer.peek(),
      class: this.className.peek(),
      as_of: this.asOf.peek(),
    })
    if (this.asListed.peek()) for (const [name, value] of this.narrowing()) query.append(name, value)
    return query
  }
}
