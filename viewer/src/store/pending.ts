/** What waits to be saved: a record per object, with what the reader wants and what the server had, or per change of many. */
import type { Feature } from '../model/geojson'
import type { Box } from '../model/geometry'
import type { GroupAction, GroupMember, LeftMember } from '../model/group-edit'

/** The server's side of one object as far as the viewer knows. */
export interface Known {
  readonly revision: number
  /** The revision at which it was last alive; equal to `revision` unless it is deleted. */
  readonly alive: number
}

export interface Theirs {
  readonly feature: Feature | null
  readonly revision: number
}

export interface Pending {
  readonly user: string
  readonly slide: string
  readonly id: string
  /** What the object shall be; null: gone. */
  readonly desired: Feature | null
  /** Null while the server has not confirmed that it knows the object. */
  readonly known: Known | null
  /** The form in which it was sent to be created, when nobody knows whether that arrived. */
  readonly sent: Feature | null
  readonly status: 'waiting' | 'conflict' | 'refused'
  /** Why it was refused, in the server's words. */
  readonly reason: string
  readonly theirs: Theirs | null
  /** Changes with every edit: an answer to an older edit never removes a newer one. */
  readonly token: string
  /** Rises from edit to edit, also across reloads: the order of sending. */
  readonly order: number
}

export function isDeleted(known: Known): boolean {
  return known.alive !== known.revision
}

/** One change of many objects that waits to be saved. */
export interface PendingGroup {
  readonly kind: 'group'
  readonly user: string
  readonly slide: string
  readonly id: string
  readonly action: GroupAction
  /** Whether the action is taken back. */
  readonly isBack: boolean
  /** Another one that has to end first, and whose part that was done this one is about; null: none. */
  readonly undoes: string | null
  /** Those that it is still to be done to. */
  readonly members: readonly GroupMember[]
  /** Those that it was done to; `seen` is the revision at which. */
  readonly done: readonly GroupMember[]
  readonly left: readonly LeftMember[]
  /** How many are locked: those stay as they are. */
  readonly locked: number
  /** Whether the server has told what its members are. */
  readonly isKnown: boolean
  /** Whether the first of them were sent, and nobody knows whether that arrived. */
  readonly isSent: boolean
  /** Where those lie of which the server has told. */
  readonly box: Box | null
  /** In conflict it waits for the reader to say what is to be done about `left`, or about the reason. */
  readonly status: 'waiting' | 'conflict'
  readonly reason: string
  readonly token: string
  readonly order: number
}

export type PendingRecord = Pending | PendingGroup

export function isGroup(record: PendingRecord): record is PendingGroup {
  return 'kind' in record
}
