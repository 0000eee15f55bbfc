/** An ingest job as the server tells it, in words. */
import { formatBytes, formatCount, plural } from './format'

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

/** What ingest dropped of a scan's metadata: places, kinds and counts, never a value. */
export interface IdentityReport {
  readonly kinds: Readonly<Record<string, number>>
  readonly dropped: readonly Dropped[]
  /** Further fields, not listed. */
  readonly more: number
  /** Parts that could not be searched to their end. */
  readonly incomplete: readonly string[]
}

export interface Dropped {
  readonly place: string
  /** Null where the scan's own words are the names. */
  readonly field: string | null
  readonly kind: string
  readonly count: number
}

export interface Job {
  readonly id: string
  readonly kind: string
  readonly state: JobState
  readonly phase: string | null
  readonly done: number
  readonly total: number
  readonly project: string
  readonly label: string
  readonly slides: readonly string[]
  readonly format: string | null
  readonly width: number | null
  readonly height: number | null
  readonly bytes: number | null
  readonly content_hash: string | null
  readonly tiles_per_second: number | null
  /** Tiles that the scan states and does not have. */
  readonly missing_tiles: number | null
  readonly identity: IdentityReport | null
  readonly error: { readonly code: string; readonly message: string } | null
  readonly resumed: boolean
  readonly can_retry: boolean
  readonly created: string
  readonly started: string | null
  readonly finished: string | null
}

export function isOver({ state }: Job): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

/** Format, pixels and bytes, as far as they are known. */
export function factsOf(job: Job): string {
  const facts: string[] = []
  if (job.format) facts.push(job.format)
  if (job.width !== null && job.height !== null) facts.push(`${formatCount(job.width)} × ${formatCount(job.height)} px`)
  if (job.bytes !== null) facts.push(formatBytes(job.bytes))
  return facts.join(' · ')
}

/** Whether the scan lacks tiles, in a sentence; null when it does not. They are white in colour only, so "empty". */
export function missingText({ missing_tiles }: Job): string | null {
  if (missing_tiles === null || missing_tiles === 0) return null
  const [are, they] = missing_tiles === 1 ? ['is', 'it is'] : ['are', 'they are']
  return `${plural(missing_tiles, 'tile')} of the scan ${are} missing; ${they} empty.`
}

/** How much of the current phase is done, 0 to 1; null when that cannot be said. */
export function shareOf({ state, phase, done, total }: Job): number | null {
  return state === 'running' && phase !== 'opening' && total > 0 ? Math.min(1, done / total) : null
}

const STATES: Readonly<Record<JobState, string>> = {
  queued: 'waiting for its turn',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
}
const PHASES: Readonly<Record<string, string>> = {
  hashing: 'reading the file',
  opening: 'opening the scan',
  building: 'building the pyramid',
  publishing: 'publishing',
  finishing: 'viewable, building further levels',
  judging: 'viewable, judging its quality',
}

/** What a job does now, in a few words. */
export function stateText(job: Job): string {
  if (job.state !== 'running') return STATES[job.state]
  const words = PHASES[job.phase ?? ''] ?? (job.phase || STATES.running)
  const share = shareOf(job)
  return share === null ? words : `${words} ${Math.floor(share * 100)} %`
}

/** Last in any list: it says the least. */
const UNKNOWN = 'unknown'

/** What was dropped, in one line: the most frequent kind first, what nobody understands last. */
export function identitySummary({ kinds, more }: IdentityReport): string {
  const weight = (kind: string, count: number): number => (kind === UNKNOWN ? -1 : count)
  const counts = Object.entries(kinds).sort(([a, m], [b, n]) => weight(b, n) - weight(a, m))
  if (counts.length === 0 && more === 0) return 'nothing identifying was found'
  const total = counts.reduce((sum, [, count]) => sum + count, more)
  const parts = counts.map(([kind, count]) => `${formatCount(count)} ${kind}`)
  return `${plural(total, 'field')} dropped: ${[...parts, ...(more > 0 ? [`${formatCount(more)} more`] : [])].join(', ')}`
}

export function newestFirst(a: Job, b: Job): number {
  return b.created.localeCompare(a.created) || b.id.localeCompare(a.id)
}
