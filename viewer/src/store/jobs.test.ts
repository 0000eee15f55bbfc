import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Job } from '../model/job'
import { Jobs } from './jobs'

/** As much of EventSource as the jobs use. */
class FakeEvents extends EventTarget {
  static readonly CLOSED = 2
  static opened: FakeEvents[] = []
  readyState = 0
  onopen = (): void => undefined
  onerror = (): void => undefined

  constructor(readonly url: string) {
    super()
    FakeEvents.opened.push(this)
  }

  say(type: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }))
  }

  close(): void {
    this.readyState = FakeEvents.CLOSED
  }
}

function job(id: string, more: Partial<Job> = {}): Job {
  return { id, state: 'running', created: `2026-01-0${id.at(-1)}`, slides: [], done: 0, total: 0, ...more } as Job
}

let stored: Job[]
let log: string[]
let refusal: { status: number; detail: string } | null

function stream(): FakeEvents {
  const opened = FakeEvents.opened.at(-1)
  if (!opened) throw new Error('nobody listens')
  return opened
}

async function followed(): Promise<{ jobs: Jobs; end: () => void }> {
  const jobs = new Jobs()
  const end = jobs.follow()
  stream().onopen()
  await vi.waitFor(() => expect(jobs.loaded.value).toBe(true))
  return { jobs, end }
}

beforeEach(() => {
  FakeEvents.opened = []
  stored = [job('j1'), job('j2')]
  log = []
  refusal = null
  vi.stubGlobal('EventSource', FakeEvents)
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    log.push(`${init.method} ${path}`)
    if (init.method !== 'GET' && refusal) return Response.json({ detail: refusal.detail }, { status: refusal.status })
    const from = Number(new URL(path, 'http://x').searchParams.get('cursor') ?? 0)
    return Response.json(
      init.method === 'GET'
        ? { items: stored.slice(from, from + 2), next: from + 2 < stored.length ? from + 2 : null }
        : job('j1', { state: 'queued' }),
    )
  })
})
afterEach(() => vi.unstubAllGlobals())

describe('the jobs', () => {
  it('are listed newest first and stay current', async () => {
    const { jobs, end } = await followed()
    const ids = (): string => jobs.shown.value.map(({ id, state }) => `${id} ${state}`).join(', ')
    expect(ids()).toBe('j2 running, j1 running')
    stream().say('job', job('j1', { state: 'done' }))
    stream().say('job', job('j3', { state: 'queued' }))
    expect(ids()).toBe('j3 queued, j2 running, j1 done')
    stream().say('removed', { id: 'j2' })
    expect(ids()).toBe('j3 queued, j1 done')
    end()
    expect(stream().readyState).toBe(FakeEvents.CLOSED)
  })

  it('are asked for again after a break, and say that they are not live meanwhile', async () => {
    const { jobs } = await followed()
    stream().onerror()
    expect(jobs.live.value).toBe(false)
    stored = [job('j2', { state: 'failed' })]
    stream().onopen()
    await vi.waitFor(() => expect(jobs.shown.value.map(({ state }) => state)).toEqual(['failed']))
    expect(jobs.live.value).toBe(true)
  })

  it('come page by page', async () => {
    stored = [job('j1'), job('j2'), job('j3')]
    const { jobs } = await followed()
    expect(jobs.more.value).toBe(true)
    await jobs.loadMore()
    expect([jobs.shown.value.length, jobs.more.value]).toEqual([3, false])
  })

  it('can be cancelled, tried again and removed', async () => {
    const { jobs } = await followed()
    log = []
    await jobs.cancel(job('j1'))
    await jobs.retry(job('j1'))
    await jobs.remove(job('j1'))
    expect(log).toEqual(['POST /api/jobs/j1/cancel', 'POST /api/jobs/j1/retry', 'DELETE /api/jobs/j1'])
    expect(jobs.shown.value.map(({ id }) => id)).toEqual(['j2'])
  })

  it('show at once what the server answers', async () => {
    const { jobs } = await followed()
    await jobs.retry(job('j1'))
    expect(jobs.shown.value.map(({ state }) => state)).toEqual(['running', 'queued'])
  })

  it('show why the server did not do it, until it is asked again', async () => {
    const { jobs } = await followed()
    refusal = { status: 409, detail: 'The files of this job are gone.' }
    await jobs.retry(job('j1'))
    expect(jobs.refusals.value.get('j1')).toBe('The files of this job are gone.')
    refusal = null
    await jobs.retry(job('j1'))
    expect(jobs.refusals.value.size).toBe(0)
  })

  it('that are gone leave the list', async () => {
    const { jobs } = await followed()
    refusal = { status: 404, detail: 'There is no such job.' }
    await jobs.cancel(job('j2'))
    expect(jobs.shown.value.map(({ id }) => id)).toEqual(['j1'])
  })
})
