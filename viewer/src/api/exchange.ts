/** Files of annotations: in, with progress, and out. */
import type { ExportReport, Format, ImportReport } from '../model/exchange'
import { NetworkError, problemOf, request, signedOut } from './http'

export interface ImportProgress {
  /** `sending` as long as the file is on its way, then the server's own words. */
  readonly phase: string
  readonly done: number
  /** Null: not known. */
  readonly total: number | null
}

function annotations(slide: string): string {
  return `/api/slides/${encodeURIComponent(slide)}/annotations`
}

export async function listFormats(): Promise<readonly Format[]> {
  return (await request<{ readonly items: readonly Format[] }>('/api/annotation-formats')).body.items
}

/** Read the events that a text holds; what is not complete yet stays for the next time. */
export function readEvents(text: string): {
  readonly events: readonly (readonly [string, unknown])[]
  readonly rest: string
} {
  const blocks = text.split('\n\n')
  const rest = blocks.pop() ?? ''
  const events = blocks.flatMap((block) => {
    const name = /^event: (.*)$/m.exec(block)?.[1]
    const data = /^data: (.*)$/m.exec(block)?.[1]
    return name === undefined || data === undefined ? [] : [[name, JSON.parse(data) as unknown] as const]
  })
  return { events, rest }
}

/** Bring a file in. Throws `ApiError` when nothing of it came in; its body may have the report as `report`. */
export function importFile(
  slide: string,
  file: Blob,
  query: URLSearchParams,
  tell: (progress: ImportProgress) => void,
  signal: AbortSignal,
): Promise<ImportReport> {
  return new Promise((resolve, reject) => {
    const wire = new XMLHttpRequest()
    let [seen, rest, settled] = [0, '', false]
    const take = (name: string, data: unknown): void => {
      settled ||= name !== 'progress'
      if (name === 'progress') tell(data as ImportProgress)
      else if (name === 'report') resolve(data as ImportReport)
      else if (name === 'problem') reject(problemOf(Number((data as { status?: number }).status ?? 422), data, null))
    }
    const read = (): void => {
      if (wire.status !== 200) return
      const found = readEvents(rest + wire.responseText.slice(seen))
      seen = wire.responseText.length
      rest = found.rest
      for (const [name, data] of found.events) take(name, data)
    }
    wire.open('POST', `${annotations(slide)}/import?${query}`)
    wire.setRequestHeader('accept', 'text/event-stream')
    wire.setRequestHeader('content-type', 'application/octet-stream')
    wire.upload.onprogress = ({ loaded }) => tell({ phase: 'sending', done: loaded, total: file.size })
    wire.onprogress = read
    wire.onload = () => {
      read()
      if (wire.status === 401) signedOut()
      if (wire.status !== 200) reject(problemOf(wire.status, parsed(wire.responseText), null))
      else if (!settled) reject(new NetworkError('The connection broke before the import had ended.'))
    }
    wire.onerror = () => reject(new NetworkError('The connection broke before the import had ended.'))
    wire.onabort = () => reject(new DOMException('Stopped.', 'AbortError'))
    signal.addEventListener('abort', () => wire.abort(), { once: true })
    wire.send(file)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy's own page: the status says enough.
    return null
  }
}

/** Address of annotations as a file. */
export function exportAddress(slide: string, query: URLSearchParams): string {
  return `${annotations(slide)}/export?${query}`
}

/** What the file would hold and lose. */
export async function exportReport(slide: string, query: URLSearchParams, signal: AbortSignal): Promise<ExportReport> {
  return (await request<ExportReport>(`${annotations(slide)}/export/report?${query}`, { signal })).body
}

/** Whether the file can be had: begins to ask for it, and stops at its first bytes. Throws as `request` does. */
export async function checkExport(slide: string, query: URLSearchParams): Promise<void> {
  const stop = new AbortController()
  let answer: Response
  try {
    answer = await fetch(exportAddress(slide, query), { credentials: 'same-origin', signal: stop.signal })
  } catch {
    throw new NetworkError('The server cannot be reached.')
  }
  if (!answer.ok) throw problemOf(answer.status, parsed(await answer.text()), null)
  stop.abort()
}
