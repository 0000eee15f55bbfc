/** One file of annotations on its way in: what was chosen, how far it is, what came of it. */
import { computed, signal } from '@preact/signals'
import { type ImportProgress, importFile } from '../api/exchange'
import { ApiError } from '../api/http'
import { type FrameChoice, type ImportReport, NO_FRAME, statedOf } from '../model/exchange'

export type OnConflict = 'report' | 'new' | 'replace'

export class ImportRun {
  readonly file = signal<File | null>(null)
  readonly format = signal('')
  readonly layer = signal('')
  readonly onConflict = signal<OnConflict>('report')
  readonly force = signal(false)
  readonly frame = signal<FrameChoice>(NO_FRAME)
  readonly state = signal<'choosing' | 'running' | 'done' | 'failed'>('choosing')
  readonly progress = signal<ImportProgress>({ phase: 'sending', done: 0, total: null })
  /** Also there when all of the file was refused. */
  readonly report = signal<ImportReport | null>(null)
  readonly problem = signal('')
  /** 0 to 1; null: nobody knows. */
  readonly share = computed(() => {
    const { done, total } = this.progress.value
    return total === null || total === 0 ? null : Math.min(1, done / total)
  })
  private stop = new AbortController()

  constructor(private readonly slide: string) {}

  choose(file: File | null): void {
    this.file.value = file
    this.again()
  }

  async start(): Promise<void> {
    const file = this.file.peek()
    if (!file || this.state.peek() === 'running') return
    this.stop = new AbortController()
    this.state.value = 'running'
    this.problem.value = ''
    this.report.value = null
    this.progress.value = { phase: 'sending', done: 0, total: file.size }
    const tell = (progress: ImportProgress): void => {
      this.progress.value = progress
    }
    try {
      this.report.value = await importFile(this.slide, file, this.query(), tell, this.stop.signal)
      this.state.value = 'done'
    } catch (error) {
      if (this.stop.signal.aborted) this.state.value = 'choosing'
      else this.fail(error)
    }
  }

  /** Stop; nothing of the file is there then. */
  cancel(): void {
    this.stop.abort()
  }

  /** Back to the choices, which stay as they were. */
  again(): void {
    this.state.value = 'choosing'
    this.report.value = null
    this.problem.value = ''
  }

  private fail(error: unknown): void {
    this.problem.value = error instanceof Error ? error.message : 'The file could not be imported.'
    const report = error instanceof ApiError ? error.body.report : null
    this.report.value = (report ?? null) as ImportReport | null
    this.state.value = 'failed'
  }

  private query(): URLSearchParams {
    const query = statedOf({
      ...this.frame.peek(),
      format: this.format.peek(),
      layer: this.layer.peek(),
      on_conflict: this.onConflict.peek(),
    })
    if (this.force.peek()) query.set('force', 'true')
    return query
  }
}
