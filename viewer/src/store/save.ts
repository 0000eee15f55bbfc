/** Bring one pending record to the server: which requests, in which order, and what their answers mean. */
import {
  createAnnotation,
  deleteAnnotation,
  type FeatureIssue,
  getAnnotation,
  putAnnotation,
  revertAnnotation,
} from '../api/annotations'
import { ApiError, revisionOf } from '../api/http'
import { sameContent } from '../model/content'
import type { Feature } from '../model/geojson'
import { isDeleted, type Known, type Pending, type Theirs } from './pending'

export type Outcome =
  /** The server has it; `feature` is null when it is gone, `note` says what the server repaired. */
  | { readonly kind: 'saved'; readonly feature: Feature | null; readonly known: Known | null; readonly note: string }
  | { readonly kind: 'conflict'; readonly theirs: Theirs }
  | { readonly kind: 'refused'; readonly reason: string }
  /** No answer, or "not now": the same again later. */
  | { readonly kind: 'later'; readonly signedOut: boolean }

/** Answers that say nothing about the object itself. */
const NOT_NOW: readonly number[] = [401, 408, 425, 429]

/** Whether the same may be taken later. */
export function isNotNow({ status }: ApiError): boolean {
  return status >= 500 || NOT_NOW.includes(status)
}

interface Reached {
  readonly feature: Feature | null
  readonly known: Known
  readonly note: string
}

class Refused extends Error {}

async function create(record: Pending, content: Feature): Promise<Reached> {
  const answer = await createAnnotation(record.slide, content)
  const refused = answer.refused[0]
  if (refused) throw new Refused(refused.message)
  const { feature, revision } = await getAnnotation(record.id)
  return { feature, known: { revision, alive: revision }, note: answer.repaired[0]?.message ?? '' }
}

async function change(record: Pending, known: Known): Promise<Reached> {
  const { desired, id } = record
  if (desired === null) {
    if (isDeleted(known)) return { feature: null, known, note: '' }
    const revision = await deleteAnnotation(id, known.revision)
    return { feature: null, known: { revision, alive: known.alive }, note: '' }
  }
  let at = known.revision
  if (isDeleted(known)) {
    const back = await revertAnnotation(id, known.alive, known.revision)
    if (sameContent(back.feature, desired)) return alive(back.feature, back.revision)
    at = back.revision
  }
  const { feature, revision } = await putAnnotation(desired, at)
  return alive(
    feature,
    revision,
    sameContent(feature, desired) ? '' : 'The outline crossed or touched itself; the server has repaired it.',
  )
}

function alive(feature: Feature, revision: number, note = ''): Reached {
  return { feature, known: { revision, alive: revision }, note }
}

/** Read a 412: the write may have arrived before, with only its answer lost; else it is a true conflict. */
function staleOutcome(record: Pending, error: ApiError): Outcome {
  const current = (error.body.current ?? null) as Feature | null
  const revision = revisionOf(error.etag) ?? current?.properties.revision ?? 0
  const { desired, known } = record
  const same = current === null ? desired === null : desired !== null && sameContent(current, desired)
  if (!same) return { kind: 'conflict', theirs: { feature: current, revision } }
  const now = { revision, alive: current === null ? (known?.alive ?? revision) : revision }
  return { kind: 'saved', feature: current, known: now, note: '' }
}

/** The id is taken by other content: an earlier sending arrived and somebody has edited it since. */
async function takenOutcome(record: Pending): Promise<Outcome> {
  try {
    return { kind: 'conflict', theirs: await getAnnotation(record.id) }
  } catch (error) {
    return outcomeOf({ ...record, known: { revision: 0, alive: 0 } }, error)
  }
}

function outcomeOf(record: Pending, error: unknown): Outcome | Promise<Outcome> {
  if (error instanceof Refused) return { kind: 'refused', reason: error.message }
  // No answer, or none of the server's (a proxy's page, a body cut off): nothing is known, so the same again later.
  if (!(error instanceof ApiError)) return { kind: 'later', signedOut: false }
  if (isNotNow(error)) return { kind: 'later', signedOut: error.status === 401 }
  if (error.status === 412) return staleOutcome(record, error)
  const issue = (error.body.refused as readonly FeatureIssue[] | undefined)?.[0]
  if (issue?.code === 'conflict' && record.known === null) return takenOutcome(record)
  const gone = error.status === 404 && record.desired === null
  return gone
    ? { kind: 'saved', feature: null, known: null, note: '' }
    : { kind: 'refused', reason: issue?.message ?? error.detail }
}

/** Send what `record` asks for. `remember` is awaited before a creation leaves, and after it has arrived. */
export async function save(record: Pending, remember: (part: Partial<Pending>) => Promise<void>): Promise<Outcome> {
  let { known } = record
  let note = ''
  try {
    if (known === null) {
      const content = record.sent ?? record.desired
      if (content === null) return { kind: 'saved', feature: null, known: null, note: '' }
      await remember({ sent: content })
      const made = await create(record, content)
      if (record.desired !== null && sameContent(content, record.desired)) return { kind: 'saved', ...made }
      known = made.known
      note = made.note
      await remember({ sent: null, known })
    }
    const reached = await change(record, known)
    return { kind: 'saved', ...reached, note: reached.note || note }
  } catch (error) {
    return outcomeOf(record, error)
  }
}
