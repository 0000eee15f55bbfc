/** What was deleted on a slide and has not come back, out of the changes that the server tells. */
import type { Box } from './geometry'

/** One change of a slide's objects. */
export interface Told {
  readonly revision: number
  readonly author: string
  /** RFC 3339. */
  readonly at: string
  readonly layer: string
  readonly kind: string
  readonly count: number
  /** Null: too many to be named. */
  readonly ids: readonly string[] | null
  readonly box: Box | null
}

export interface Deletion extends Told {
  /** Those that are still deleted; null: too many to be named. */
  readonly ids: readonly string[] | null
}

/** Deletions of which something is left, the newest first; `changes` come oldest first. */
export function deletionsOf(changes: readonly Told[]): readonly Deletion[] {
  // What somebody has done to an object after its deletion has brought it back.
  const later = new Set<string>()
  const found: Deletion[] = []
  for (const change of [...changes].reverse()) {
    const { ids, kind } = change
    if (kind === 'deleted') {
      const left = ids?.filter((id) => !later.has(id)) ?? null
      if (left === null) found.push(change)
      else if (left.length > 0) found.push({ ...change, ids: left, count: left.length })
    }
    for (const id of ids ?? []) later.add(id)
  }
  return found
}
