import { describe, expect, it } from 'vitest'
import { factsOf, identitySummary, isOver, type Job, missingText, newestFirst, shareOf, stateText } from './job'

const job: Job = {
  id: 'j1',
  kind: 'ingest',
  state: 'running',
  phase: 'building',
  done: 43,
  total: 100,
  project: 'default',
  label: 'Upload 1',
  slides: [],
  format: 'Aperio SVS',
  width: 2220,
  height: 2967,
  bytes: 1_938_955,
  content_hash: null,
  tiles_per_second: null,
  missing_tiles: null,
  identity: null,
  error: null,
  resumed: false,
  can_retry: false,
  created: '2026-11-01T10:00:00.000+00:00',
  started: null,
  finished: null,
}

describe('a job', () => {
  it('says what it does', () => {
    expect(stateText(job)).toBe('building the pyramid 43 %')
    expect(stateText({ ...job, phase: 'opening' })).toBe('opening the scan')
    expect(stateText({ ...job, phase: 'dreaming', total: 0 })).toBe('dreaming')
    expect(stateText({ ...job, phase: '', total: 0 })).toBe('running')
    expect(stateText({ ...job, state: 'queued' })).toBe('waiting for its turn')
  })

  it('says of tiles that are missing nothing that is true of colour alone', () => {
    expect(missingText(job)).toBeNull()
    expect(missingText({ ...job, missing_tiles: 0 })).toBeNull()
    expect(missingText({ ...job, missing_tiles: 1 })).toBe('1 tile of the scan is missing; it is empty.')
    expect(missingText({ ...job, missing_tiles: 2 })).toBe('2 tiles of the scan are missing; they are empty.')
  })

  it('knows its share only while it runs, and never more than all', () => {
    expect(shareOf(job)).toBe(0.43)
    expect(shareOf({ ...job, done: 120 })).toBe(1)
    expect(shareOf({ ...job, total: 0 })).toBeNull()
    expect(shareOf({ ...job, state: 'done' })).toBeNull()
  })

  it('tells what is known of the scan', () => {
    expect(factsOf(job)).toBe('Aperio SVS · 2,220 × 2,967 px · 1.94 MB')
    expect(factsOf({ ...job, width: null, bytes: null })).toBe('Aperio SVS')
  })

  it('is over when nothing more happens by itself', () => {
    const states = ['queued', 'running', 'done', 'failed', 'cancelled'] as const
    expect(states.map((state) => isOver({ ...job, state }))).toEqual([false, false, true, true, true])
  })

  it('comes before older ones', () => {
    const older = { ...job, id: 'j0', created: '2026-10-31T10:00:00.000+00:00' }
    expect([older, job].sort(newestFirst).map(({ id }) => id)).toEqual(['j1', 'j0'])
  })
})

it('sums up what was dropped, most frequent first', () => {
  const none = { kinds: {}, dropped: [], more: 0, incomplete: [] }
  expect(identitySummary(none)).toBe('nothing identifying was found')
  expect(identitySummary({ ...none, kinds: { unknown: 40, name: 1, date: 12 }, more: 3 })).toBe(
    '56 fields dropped: 12 date, 1 name, 40 unknown, 3 more',
  )
})
