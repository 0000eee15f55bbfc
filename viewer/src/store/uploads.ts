/** The uploads of this tab: a few at a time, paused and resumed by hand, tried again by themselves. */
import { computed, type Signal, signal } from '@preact/signals'
import { cancelSet, cancelUpload } from '../api/uploads'
import { bytesOf, fingerprintOf, type ScanFiles } from '../model/scan-files'
import { backoff, Speed } from '../model/speed'
import {
  forgetRecord,
  listUnfinished,
  loadRecord,
  saveJobLabel,
  saveLabel,
  type Unfinished,
  type UploadRecord,
} from './upload-records'
import { isPassing, runUpload } from './upload-run'

export type UploadPhase = 'queued' | 'sending' | 'waiting' | 'paused' | 'failed' | 'done'

export interface UploadItem {
  readonly id: number
  readonly label: string
  readonly scan: ScanFiles
  readonly fingerprint: string
  readonly project: string
  readonly total: number
  readonly phase: Signal<UploadPhase>
  readonly sent: Signal<number>
  /** Bytes per second, when known. */
  readonly speed: Signal<number | null>
  readonly message: Signal<string>
  /** The ingest job that it became. */
  readonly job: Signal<string | null>
}

const AT_ONCE = 2

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'The upload failed.'
}

/** Tell the server that the rest will not come; what cannot be told now expires by itself. */
async function giveUp(record: UploadRecord): Promise<void> {
  const told = record.url === undefined ? cancelSet(record.set ?? '') : cancelUpload(record.url)
  await told.catch(() => undefined)
}

export class Uploads {
  readonly items = signal<readonly UploadItem[]>([])
  /** What an earlier visit began: it goes on when the same files are chosen again. */
  readonly unfinished = signal<readonly Unfinished[]>([])
  readonly active = computed(() =>
    this.items.value.some(({ phase }) => ['queued', 'sending', 'waiting'].includes(phase.value)),
  )
  private readonly running = new Map<UploadItem, AbortController>()
  private readonly attempts = new Map<UploadItem, number>()
  private made = 0

  constructor(private readonly user: string) {
    this.unfinished.value = listUnfinished(user)
    window.addEventListener('online', () => this.wake())
  }

  /** Take scans in; one that is here already and not done goes on instead. Tells how many of them were known. */
  add(scans: readonly ScanFiles[], project: string): number {
    let known = 0
    for (const scan of scans) {
      const fingerprint = fingerprintOf(scan, this.user)
      const item = this.items.peek().find((held) => held.fingerprint === fingerprint && held.phase.peek() !== 'done')
      if (item) this.resume(item)
      else this.items.value = [...this.items.peek(), this.itemOf(scan, fingerprint, project)]
      if (item || this.unfinished.peek().some((held) => held.fingerprint === fingerprint)) known++
      this.unfinished.value = this.unfinished.peek().filter((held) => held.fingerprint !== fingerprint)
    }
    this.startNext()
    return known
  }

  /** Delete what has come of an upload that nobody goes on with. */
  async discard({ fingerprint, record }: Unfinished): Promise<void> {
    this.unfinished.value = this.unfinished.peek().filter((held) => held.fingerprint !== fingerprint)
    forgetRecord(fingerprint)
    await giveUp(record)
  }

  pause(item: UploadItem): void {
    this.leave(item, 'paused')
    this.startNext()
  }

  resume(item: UploadItem): void {
    if (item.phase.peek() === 'done' || this.running.has(item)) return
    this.attempts.delete(item)
    item.message.value = ''
    item.phase.value = 'queued'
    this.startNext()
  }

  /** Stop it and delete what has come of it; what is done only leaves the list. */
  async cancel(item: UploadItem): Promise<void> {
    const record = loadRecord(item.fingerprint)
    const done = item.phase.peek() === 'done'
    this.leave(item, 'paused')
    this.items.value = this.items.peek().filter((other) => other !== item)
    this.startNext()
    if (done || !record) return
    forgetRecord(item.fingerprint)
    await giveUp(record)
  }

  /** Take what has arrived and become a job that is listed off the list. */
  dropListed(jobs: ReadonlySet<string>): void {
    const left = this.items.peek().filter(({ job, phase }) => phase.peek() !== 'done' || !jobs.has(job.peek() ?? ''))
    if (left.length < this.items.peek().length) this.items.value = left
  }

  /** Try what waits at once: the network is back. */
  wake(): void {
    for (const item of this.items.peek()) if (item.phase.peek() === 'waiting') item.phase.value = 'queued'
    this.startNext()
  }

  private itemOf(scan: ScanFiles, fingerprint: string, chosen: string): UploadItem {
    saveLabel(fingerprint, scan.label)
    const record = loadRecord(fingerprint)
    return {
      id: ++this.made,
      label: scan.label,
      scan,
      fingerprint,
      // The part that is there already belongs to the project that it was begun for.
      project: record?.project ?? chosen,
      total: bytesOf(scan),
      phase: signal<UploadPhase>('queued'),
      sent: signal(record?.sent ?? 0),
      speed: signal<number | null>(null),
      message: signal(''),
      job: signal<string | null>(null),
    }
  }

  private leave(item: UploadItem, phase: UploadPhase): void {
    this.running.get(item)?.abort()
    this.running.delete(item)
    item.speed.value = null
    if (item.phase.peek() !== 'done') item.phase.value = phase
  }

  private startNext(): void {
    for (const item of this.items.peek()) {
      if (this.running.size >= AT_ONCE) return
      if (item.phase.peek() === 'queued') void this.start(item)
    }
  }

  private async start(item: UploadItem): Promise<void> {
    const abort = new AbortController()
    const speed = new Speed()
    this.running.set(item, abort)
    item.phase.value = 'sending'
    try {
      item.job.value = await runUpload({
        scan: item.scan,
        fingerprint: item.fingerprint,
        user: this.user,
        project: item.project,
        signal: abort.signal,
        onSent: (bytes) => {
          if (abort.signal.aborted) return
          if (bytes > item.sent.peek()) this.attempts.delete(item)
          item.sent.value = bytes
          item.speed.value = speed.note(bytes, performance.now())
        },
      })
      item.sent.value = item.total
      item.message.value = ''
      item.phase.value = 'done'
      saveJobLabel(item.job.value, item.label)
      forgetRecord(item.fingerprint)
    } catch (error) {
      if (abort.signal.aborted) return
      abort.abort() // the other files of the set
      item.message.value = messageOf(error)
      if (isPassing(error)) this.later(item)
      else item.phase.value = 'failed'
    } finally {
      if (this.running.get(item) === abort) this.running.delete(item)
      if (!this.running.has(item)) item.speed.value = null
      this.startNext()
    }
  }

  private later(item: UploadItem): void {
    const attempt = this.attempts.get(item) ?? 0
    this.attempts.set(item, attempt + 1)
    item.phase.value = 'waiting'
    setTimeout(() => {
      if (item.phase.peek() !== 'waiting') return
      item.phase.value = 'queued'
      this.startNext()
    }, backoff(attempt))
  }
}
