/** What waits to be saved: one record per object, holding what the reader wants and what the server had. */
import type { Feature } from '../model/geojson'

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
