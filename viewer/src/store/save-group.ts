/** Bring one change of many objects to the server: look at them, send it, and tell what has become of each. */
import {
  annotationsById,
  annotationsByNumber,
  type Edit,
  type EditResult,
  editAnnotations,
  MAX_EDITS,
} from '../api/annotations'
import { ApiError } from '../api/http'
import type { Feature } from '../model/geojson'
import { type Box, boundsOf, unionOf } from '../model/geometry'
import { type GroupMember, isAsWanted, type LeftMember, memberOf, wantedOf } from '../model/group-edit'
import { numberOf } from '../model/picked'
import type { PendingGroup } from './pending'
import { isNotNow } from './save'

/** Numbers, or ids, of one question: their address stays well under what servers take. */
const NUMBERS_AT_ONCE = 500
const IDS_AT_ONCE = 100

export type GroupOutcome =
  /** Nothing more is to be sent; `record` tells what was done and what was left. */
  | { readonly kind: 'ended'; readonly record: PendingGroup }
  /** The server does not take it; what it had taken before is told by `record`. */
  | { readonly kind: 'refused'; readonly record: PendingGroup; readonly reason: string }
  | { readonly kind: 'later'; readonly signedOut: boolean }

/** Parts of a record that become known on the way. */
export type Part = Partial<PendingGroup>

interface Told {
  readonly done: readonly GroupMember[]
  readonly left: readonly LeftMember[]
}

/** Members as the server has them; those that are not there are left out. */
async function featuresOf(slide: string, members: readonly GroupMember[]): Promise<ReadonlyMap<GroupMember, Feature>> {
  const numbered = new Map(members.flatMap((each) => (each.number === null ? [] : [[each.number, each] as const])))
  const others = new Map(members.flatMap((each) => (each.number === null && each.id ? [[each.id, each] as const] : [])))
  const found = new Map<GroupMember, Feature>()
  const numbers = [...numbered.keys()]
  for (let from = 0; from < numbers.length; from += NUMBERS_AT_ONCE) {
    for (const feature of await annotationsByNumber(slide, numbers.slice(from, from + NUMBERS_AT_ONCE))) {
      const member = numbered.get(numberOf(feature) ?? 0)
      if (member) found.set(member, feature)
    }
  }
  const ids = [...others.keys()]
  for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
    for (const feature of await annotationsById(slide, ids.slice(from, from + IDS_AT_ONCE))) {
      const member = others.get(feature.id)
      if (member) found.set(member, feature)
    }
  }
  return found
}

function leftOf(member: GroupMember, feature: Feature | undefined): LeftMember {
  if (!feature) return { ...member, author: '', isGone: true }
  return { ...memberOf(feature, member), author: feature.properties.author ?? '', isGone: false }
}

/** What the server's form of a member means for the change. */
type Fate = 'to change' | 'left' | 'locked' | 'done elsewhere' | 'nothing to do'

function fateOf(
  record: PendingGroup,
  member: GroupMember,
  feature: Feature | undefined,
  ownRevision: (id: string) => number | null,
): Fate {
  const { action, isBack, user } = record
  if (!feature) return action === 'delete' ? 'nothing to do' : 'left'
  const { revision = 0, author, isLocked } = feature.properties
  if (isAsWanted(feature, wantedOf(member, action, isBack))) {
    // The reader may have made it so in another window.
    return revision > member.seen && author === user ? 'done elsewhere' : 'nothing to do'
  }
  if (isLocked === true) return 'locked'
  return revision <= member.seen || revision === ownRevision(feature.id) ? 'to change' : 'left'
}

/** What is known by now of the members of a change. */
class Looked {
  readonly members: GroupMember[] = []
  readonly done: GroupMember[]
  readonly left: LeftMember[]
  locked = 0
  private readonly boxes: Box[] = []

  constructor(private readonly record: PendingGroup) {
    this.done = [...record.done]
    this.left = [...record.left]
  }

  add(member: GroupMember, feature: Feature | undefined, fate: Fate): void {
    if (fate === 'locked') this.locked++
    else if (fate === 'left') this.left.push(leftOf(member, feature))
    if (!feature || (fate !== 'to change' && fate !== 'done elsewhere')) return
    this.boxes.push(boundsOf(feature.geometry))
    const now = memberOf(feature, member)
    const asBefore = { ...member, id: now.id, seen: now.seen }
    if (fate === 'done elsewhere') this.done.push(asBefore)
    // What is taken back goes back to what it was before, not to what it is now.
    else this.members.push(this.record.isBack ? asBefore : now)
  }

  part(): Part {
    const { members, done, left, locked, boxes } = this
    return { members, done, left, locked, box: boxes.length > 0 ? unionOf(boxes) : null, isKnown: true }
  }
}

/** Find out what the members are now: which are to be changed, and which somebody else has changed since they were seen. */
async function lookUp(record: PendingGroup, ownRevision: (id: string) => number | null): Promise<Part> {
  // What is deleted cannot be looked at; the server compares its revision.
  if (record.action === 'delete' && record.isBack) return { isKnown: true }
  const looked = new Looked(record)
  for (let from = 0; from < record.members.length; from += NUMBERS_AT_ONCE) {
    const some = record.members.slice(from, from + NUMBERS_AT_ONCE)
    const found = await featuresOf(record.slide, some)
    for (const member of some) {
      const feature = found.get(member)
      looked.add(member, feature, fateOf(record, member, feature, ownRevision))
    }
  }
  return looked.part()
}

function editOf(member: GroupMember, { action, isBack }: PendingGroup): Edit {
  const { id, seen: revision } = member
  const wanted = wantedOf(member, action, isBack)
  if (id === null) throw new TypeError('A member is sent before it is known.')
  if ('isDeleted' in wanted) return { id, revision, delete: wanted.isDeleted }
  return 'state' in wanted ? { id, revision, state: wanted.state } : { id, revision, class: wanted.className }
}

/** Whether a member of which an edit was not made is as it is wanted all the same. */
function isThere(result: EditResult, feature: Feature | undefined, member: GroupMember, record: PendingGroup): boolean {
  const wanted = wantedOf(member, record.action, record.isBack)
  if ('isDeleted' in wanted) return result.result === (wanted.isDeleted ? 'deleted' : 'stale')
  return feature !== undefined && isAsWanted(feature, wanted)
}

/** Read the answers to an edit of some members, which may have arrived before. */
async function readAnswers(
  record: PendingGroup,
  some: readonly GroupMember[],
  results: readonly EditResult[],
): Promise<Told> {
  const done: GroupMember[] = []
  const open: { readonly member: GroupMember; readonly result: EditResult }[] = []
  some.forEach((member, at) => {
    const result = results[at] ?? { result: 'not_found', revision: null }
    if (result.result === 'done') done.push({ ...member, seen: result.revision ?? member.seen })
    else open.push({ member, result })
  })
  if (open.length === 0) return { done, left: [] }
  const found = await featuresOf(
    record.slide,
    open.map(({ member }) => member),
  )
  const left: LeftMember[] = []
  for (const { member, result } of open) {
    const feature = found.get(member)
    const isGone = result.result === 'deleted' || result.result === 'not_found'
    if (isThere(result, feature, member, record)) {
      // Whose answer was lost counts as done; what somebody else has made so is not the reader's to take back.
      if (record.isSent) done.push({ ...member, seen: result.revision ?? member.seen })
    } else if (!(isGone && record.action === 'delete')) left.push(leftOf(member, isGone ? undefined : feature))
  }
  return { done, left }
}

/** Send what `record` asks for. `remember` is awaited before anything leaves, and after it has arrived. */
export async function saveGroup(
  record: PendingGroup,
  ownRevision: (id: string) => number | null,
  remember: (part: Part) => Promise<void>,
): Promise<GroupOutcome> {
  let now = record
  const keep = async (part: Part): Promise<void> => {
    now = { ...now, ...part }
    await remember(part)
  }
  try {
    if (!now.isKnown) await keep(await lookUp(now, ownRevision))
    while (now.members.length > 0) {
      const some = now.members.slice(0, MAX_EDITS)
      const before = now
      if (!now.isSent) await keep({ isSent: true })
      const results = await editAnnotations(
        now.slide,
        some.map((member) => editOf(member, now)),
      )
      const { done, left } = await readAnswers(before, some, results)
      const members = now.members.slice(some.length)
      await keep({ members, done: [...now.done, ...done], left: [...now.left, ...left], isSent: false })
    }
    return { kind: 'ended', record: now }
  } catch (error) {
    if (!(error instanceof ApiError)) return { kind: 'later', signedOut: false }
    if (isNotNow(error)) return { kind: 'later', signedOut: error.status === 401 }
    return { kind: 'refused', record: now, reason: error.detail }
  }
}
