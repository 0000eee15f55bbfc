/** One attempt to bring the files of one scan to the server: goes on where an earlier one ended. */
import { ApiError, NetworkError } from '../api/http'
import { appendUpload, createUpload, findUpload, ingestSet, type Part, type UploadState } from '../api/uploads'
import { bytesOf, type ChosenFile, nameOf, type ScanFiles } from '../model/scan-files'
import { loadRecord, saveRecord } from './upload-records'

/** Bytes of one request: proxies limit bodies, and at its end they are on the server's disk. */
const PART_BYTES = 32 * 1024 * 1024
const AT_ONCE = 3
/** A record is written at most this often: one of a set with thousands of files is long. */
const SAVE_MS = 1000

export interface Run {
  readonly scan: ScanFiles
  readonly fingerprint: string
  readonly user: string
  readonly project: string
  readonly signal: AbortSignal
  /** Bytes of all files that have gone. */
  readonly onSent: (bytes: number) => void
}

/** Whether waiting and asking again can help. */
export function isPassing(error: unknown): boolean {
  if (error instanceof NetworkError) return true
  return error instanceof ApiError && (error.status >= 500 || error.status === 408 || error.code === 'wrong_offset')
}

class Attempt {
  private readonly sent = new Map<ChosenFile, number>()
  private url: string | undefined
  private readonly files: Record<string, string | true>
  /** Whether nothing of this scan can be on the server yet. */
  private readonly fresh: boolean
  private bytes = 0
  private savedAt = 0
  readonly set: string

  constructor(private readonly run: Run) {
    const record = loadRecord(run.fingerprint)
    this.fresh = record === null
    this.url = record?.url
    this.files = { ...record?.files }
    this.set =
      record?.set ?? crypto.getRandomValues(new Uint32Array(4)).reduce((text, n) => text + n.toString(36), 's-')
  }

  async one(item: ChosenFile): Promise<string> {
    let state = await this.known(this.url)
    state ??= await createUpload(
      { size: item.file.size, project: this.run.project },
      this.part(item, 0, 0),
      this.run.signal,
    )
    this.url = state.url
    this.save()
    state = await this.append(item, state)
    if (state.job === null) throw new NetworkError('The server has not made a job of this upload yet.')
    return state.job
  }

  async many(items: readonly ChosenFile[]): Promise<string> {
    this.save()
    const waiting = items.filter((item) => this.files[nameOf(item)] !== true)
    for (const item of items) if (this.files[nameOf(item)] === true) this.note(item, item.file.size)
    const worker = async (): Promise<void> => {
      for (let item = waiting.shift(); item; item = waiting.shift()) await this.member(item)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    this.save()
    return ingestSet(this.set, this.run.project, this.run.signal)
  }

  /** Write down how far it is. */
  save(): void {
    const { scan, fingerprint, user, project } = this.run
    const url = this.url === undefined ? {} : { url: this.url }
    const size = { count: scan.files.length, total: bytesOf(scan), sent: this.bytes }
    saveRecord(fingerprint, { ...url, ...size, user, project, set: this.set, files: this.files })
    this.savedAt = Date.now()
  }

  private async member(item: ChosenFile): Promise<void> {
    const name = nameOf(item)
    const url = this.files[name]
    let state = await this.known(typeof url === 'string' ? url : undefined)
    if (!state) {
      const target = { size: item.file.size, project: this.run.project, set: { key: this.set, path: item.path } }
      // The answer to an earlier attempt may have been lost: then the server tells how much it has of this path.
      const first = this.fresh && item.file.size <= PART_BYTES ? item.file.size : 0
      state = await createUpload(target, this.part(item, 0, first), this.run.signal)
      if (state.offset < item.file.size) this.files[name] = state.url
    }
    await this.append(item, state)
    this.files[name] = true
    this.note(item, item.file.size)
  }

  private async append(item: ChosenFile, from: UploadState): Promise<UploadState> {
    let state = from
    this.note(item, state.offset)
    while (state.offset < item.file.size) {
      const end = Math.min(item.file.size, state.offset + PART_BYTES)
      state = await appendUpload(state.url, this.part(item, state.offset, end), this.run.signal)
      this.note(item, state.offset)
    }
    return state
  }

  /** Ask about an upload of an earlier attempt; null when the server does not know it any more. */
  private async known(url: string | undefined): Promise<UploadState | null> {
    if (url === undefined) return null
    try {
      return await findUpload(url, this.run.signal)
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null
      throw error
    }
  }

  private part(item: ChosenFile, offset: number, end: number): Part {
    const body = item.file.slice(offset, end)
    return { body, offset, onProgress: (bytes: number) => this.note(item, offset + Math.min(bytes, body.size)) }
  }

  private note(item: ChosenFile, bytes: number): void {
    if (this.run.signal.aborted) return
    this.bytes += bytes - (this.sent.get(item) ?? 0)
    this.sent.set(item, bytes)
    this.run.onSent(this.bytes)
    if (Date.now() - this.savedAt >= SAVE_MS) this.save()
  }
}

/** Send what is missing and give the id of the ingest job. */
export async function runUpload(run: Run): Promise<string> {
  const attempt = new Attempt(run)
  const save = (): void => attempt.save()
  // Written down as it stands when somebody stops it or the page goes; a cancelled one is forgotten right after.
  run.signal.addEventListener('abort', save, { once: true })
  window.addEventListener('pagehide', save)
  try {
    const [first] = run.scan.files
    return await (run.scan.isSet || !first ? attempt.many(run.scan.files) : attempt.one(first))
  } finally {
    window.removeEventListener('pagehide', save)
    run.signal.removeEventListener('abort', save)
  }
}
