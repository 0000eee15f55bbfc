import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeUploads, memoryStorage } from '../../test/fake-uploads'
import { type ChosenFile, groupScans } from '../model/scan-files'
import { type UploadItem, type UploadPhase, Uploads } from './uploads'

let server: FakeUploads

function file(path: string, text = 'some pixels'): ChosenFile {
  return { path, file: new File([text], path.split('/').at(-1) ?? '', { lastModified: 5 }) }
}

function only(uploads: Uploads): UploadItem {
  const [item] = uploads.items.value
  if (!item || uploads.items.value.length !== 1) throw new Error(`there are ${uploads.items.value.length} uploads`)
  return item
}

async function reaches(item: UploadItem, phase: UploadPhase): Promise<void> {
  await vi.waitFor(() => expect(item.phase.value).toBe(phase))
}

async function sent(item: UploadItem, bytes: number): Promise<void> {
  await vi.waitFor(() => expect(item.sent.value).toBe(bytes))
}

beforeEach(() => {
  vi.stubGlobal('localStorage', memoryStorage())
  vi.stubGlobal('sessionStorage', memoryStorage())
  vi.stubGlobal('window', new EventTarget())
  server = new FakeUploads()
  server.install()
})
afterEach(() => vi.unstubAllGlobals())

describe('an upload of one file', () => {
  it('arrives whole and becomes a job, and nothing is remembered of it', async () => {
    const uploads = new Uploads('ann')
    uploads.add(groupScans([file('a.svs')]), 'Colon')
    await reaches(only(uploads), 'done')
    expect(server.complete()).toEqual(['some pixels'])
    expect(only(uploads).job.value).toBe('job 1')
    expect(Object.keys(localStorage)).toEqual([])
    expect(uploads.active.value).toBe(false)
  })

  it('goes in parts, so that a file is never in memory as a whole', async () => {
    const uploads = new Uploads('ann')
    const part = 32 * 1024 * 1024
    uploads.add(groupScans([file('big.svs', 'x'.repeat(part + 7))]), 'p')
    await reaches(only(uploads), 'done')
    expect(server.largest).toBe(part)
    expect(server.log.map((line) => line.split(' ').at(-1))).toEqual(['0', String(part), '7'])
  })

  it('goes on after a pause with the bytes that have not arrived', async () => {
    const uploads = new Uploads('ann')
    server.accident = 'hang'
    uploads.add(groupScans([file('a.svs')]), 'p')
    await reaches(only(uploads), 'sending')
    uploads.pause(only(uploads))
    expect(only(uploads).phase.value).toBe('paused')
    expect(uploads.active.value).toBe(false)
    server.accident = 'none'
    uploads.resume(only(uploads))
    await reaches(only(uploads), 'done')
    expect(server.complete()).toEqual(['some pixels'])
  })

  it('waits while there is no network, and goes on when it is back', async () => {
    const uploads = new Uploads('ann')
    server.accident = 'offline'
    uploads.add(groupScans([file('a.svs')]), 'p')
    await reaches(only(uploads), 'waiting')
    expect(only(uploads).message.value).toBe('The server cannot be reached.')
    server.accident = 'none'
    window.dispatchEvent(new Event('online'))
    await reaches(only(uploads), 'done')
  })

  it('stops with the sentence of the server when that refuses it', async () => {
    const uploads = new Uploads('ann')
    server.accident = { status: 413, detail: 'An upload has at most 5 bytes.' }
    uploads.add(groupScans([file('a.svs')]), 'p')
    await reaches(only(uploads), 'failed')
    expect(only(uploads).message.value).toBe('An upload has at most 5 bytes.')
  })

  it('is deleted on the server when it is cancelled', async () => {
    const uploads = new Uploads('ann')
    server.accident = 'hang'
    server.strikes = 'PATCH'
    uploads.add(groupScans([file('a.svs')]), 'p')
    await sent(only(uploads), 5)
    expect([server.held.size, Object.keys(localStorage).length]).toEqual([1, 1])
    await uploads.cancel(only(uploads))
    expect([server.held.size, uploads.items.value.length, Object.keys(localStorage).length]).toEqual([0, 0, 0])
  })
})

describe('after a reload', () => {
  /** Begin an upload, let half of it arrive, and leave the page. */
  async function interrupted(): Promise<void> {
    const before = new Uploads('ann')
    server.accident = 'cut'
    server.strikes = 'PATCH'
    before.add(groupScans([file('a.svs')]), 'Colon')
    await reaches(only(before), 'waiting')
    before.pause(only(before))
    server.accident = 'none'
  }

  it('an upload is told of as interrupted, with its name in the same tab only', async () => {
    await interrupted()
    const [here] = new Uploads('ann').unfinished.value
    expect(here).toMatchObject({ label: 'a.svs', record: { project: 'Colon', total: 11, count: 1 } })
    expect(JSON.stringify({ ...localStorage })).not.toContain('a.svs')
    vi.stubGlobal('sessionStorage', memoryStorage())
    expect(new Uploads('ann').unfinished.value.map(({ label }) => label)).toEqual([null])
    expect(new Uploads('bob').unfinished.value).toEqual([])
  })

  it('the same file chosen again goes on where it was', async () => {
    await interrupted()
    const uploads = new Uploads('ann')
    server.log.length = 0
    expect(uploads.add(groupScans([file('a.svs')]), 'other')).toBe(1)
    expect(uploads.unfinished.value).toEqual([])
    await reaches(only(uploads), 'done')
    expect(only(uploads).project).toBe('Colon')
    expect(server.complete()).toEqual(['some pixels'])
    expect(server.log).toEqual(['HEAD /api/uploads/1 0', 'PATCH /api/uploads/1 6'])
  })

  it('another file is not taken for it', async () => {
    await interrupted()
    const uploads = new Uploads('ann')
    expect(uploads.add(groupScans([file('a.svs', 'other pixels')]), 'p')).toBe(0)
    await reaches(only(uploads), 'done')
    expect(uploads.unfinished.value).toHaveLength(1)
  })

  it('it can be discarded, here and on the server', async () => {
    await interrupted()
    const uploads = new Uploads('ann')
    const [item] = uploads.unfinished.value
    if (item) await uploads.discard(item)
    expect([uploads.unfinished.value.length, server.held.size, Object.keys(localStorage).length]).toEqual([0, 0, 0])
  })
})

describe('an upload of many files', () => {
  const parts = [
    file('s/Index.dat', 'index'),
    file('s/Data0.dat', 'first'),
    file('s/Data1.dat', ''),
    file('s.mrxs', 'x'),
  ]

  it('becomes one job when all files are there', async () => {
    const uploads = new Uploads('ann')
    uploads.add(groupScans(parts), 'p')
    await reaches(only(uploads), 'done')
    expect(server.complete().sort()).toEqual(['', 'first', 'index', 'x'])
    expect(server.jobs).toEqual(['job 1'])
    expect(only(uploads).sent.value).toBe(11)
  })

  it('goes on although answers were lost, without sending a file twice', async () => {
    const uploads = new Uploads('ann')
    server.accident = 'lost'
    uploads.add(groupScans(parts), 'p')
    await reaches(only(uploads), 'waiting')
    server.accident = 'none'
    uploads.wake()
    await reaches(only(uploads), 'done')
    expect(server.complete().sort()).toEqual(['', 'first', 'index', 'x'])
    expect(server.held.size).toBe(4)
    await sent(only(uploads), 11)
  })

  it('is cancelled as a whole', async () => {
    const uploads = new Uploads('ann')
    server.accident = 'cut'
    uploads.add(groupScans(parts), 'p')
    await reaches(only(uploads), 'waiting')
    server.accident = 'none'
    await uploads.cancel(only(uploads))
    expect(server.held.size).toBe(0)
  })
})

it('sends two scans at once, the others wait for their turn', async () => {
  const uploads = new Uploads('ann')
  server.accident = 'hang'
  uploads.add(groupScans(['a', 'b', 'c'].map((name) => file(`${name}.svs`))), 'p')
  expect(uploads.items.value.map(({ phase }) => phase.value)).toEqual(['sending', 'sending', 'queued'])
  const [first] = uploads.items.value
  if (first) uploads.pause(first)
  expect(uploads.items.value.map(({ phase }) => phase.value)).toEqual(['paused', 'sending', 'sending'])
})
