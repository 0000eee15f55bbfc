import type { Job } from '../model/job'
import { request } from './http'

export interface JobPage {
  readonly items: readonly Job[]
  readonly next: string | null
}

function jobApi(id: string): string {
  return `/api/jobs/${encodeURIComponent(id)}`
}

export async function listJobs(limit: number, cursor: string | null, signal: AbortSignal): Promise<JobPage> {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor === null ? {} : { cursor }) })
  return (await request<JobPage>(`/api/jobs?${query}`, { signal })).body
}

export async function cancelJob(id: string): Promise<Job> {
  return (await request<Job>(`${jobApi(id)}/cancel`, { method: 'POST' })).body
}

export async function retryJob(id: string): Promise<Job> {
  return (await request<Job>(`${jobApi(id)}/retry`, { method: 'POST' })).body
}

export async function removeJob(id: string): Promise<void> {
  await request<null>(jobApi(id), { method: 'DELETE' })
}

export interface JobWatcher {
  readonly onJob: (job: Job) => void
  readonly onRemoved: (id: string) => void
  /** The stream begins, or begins again after a break in which changes may have been missed. */
  readonly onOpen: () => void
  readonly onBreak: () => void
}

const AGAIN_MS = 3000

/** Follow all jobs; gives the function that ends it. */
export function watchJobs(watcher: JobWatcher): () => void {
  let stream: EventSource | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  const open = (): void => {
    stream = new EventSource('/api/jobs/events')
    stream.onopen = watcher.onOpen
    stream.addEventListener('job', ({ data }) => watcher.onJob(JSON.parse(data) as Job))
    stream.addEventListener('removed', ({ data }) => watcher.onRemoved((JSON.parse(data) as { id: string }).id))
    stream.onerror = () => {
      watcher.onBreak()
      if (stream?.readyState !== EventSource.CLOSED) return // the browser tries again by itself
      clearTimeout(timer)
      timer = setTimeout(open, AGAIN_MS)
    }
  }
  open()
  return () => {
    clearTimeout(timer)
    stream?.close()
  }
}
