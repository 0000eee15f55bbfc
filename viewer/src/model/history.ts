/** What an object's versions say: who changed what, and when. */
import { classNameOf } from './annotation-class'
import { exhaustiveOf } from './exhaustive'
import type { Feature } from './geojson'

/** An object as it was at one revision. */
export interface Version extends Feature {
  /** True where that revision deleted it. */
  readonly deleted?: boolean
}

export interface HistoryStep {
  readonly revision: number
  readonly author: string
  /** RFC 3339; '' when it is not told. */
  readonly at: string
  /** What was changed, in a few words. */
  readonly what: string
  readonly isDeleted: boolean
  readonly feature: Feature
}

/** When a version was made, as RFC 3339; '' when the server does not tell it. */
export function updatedOf({ properties }: Feature): string {
  const { provenance } = properties
  if (typeof provenance !== 'object' || provenance === null || !('updated' in provenance)) return ''
  return typeof provenance.updated === 'string' ? provenance.updated : ''
}

function textOf(value: unknown): string {
  return JSON.stringify(value ?? null)
}

/** What a reader changes, and what else there may be besides the server's own members. */
function restOf({ properties }: Feature): string {
  const { classification: _, state, layer, author, number, revision, provenance, exhaustive, ...rest } = properties
  return textOf(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What is another in the later of two forms of an object, in a few words; "nothing" where all is the same. */
export function changesBetween(before: Feature, after: Feature): string {
  const words: string[] = []
  const [old, now] = [classNameOf(before), classNameOf(after)]
  if (old !== now) words.push(`class ${old ?? 'none'} → ${now ?? 'none'}`)
  const [was, is] = [before.properties.state ?? 'draft', after.properties.state ?? 'draft']
  if (was !== is) words.push(`state ${was} → ${is}`)
  if (textOf(before.geometry) !== textOf(after.geometry)) words.push('outline')
  if (textOf(exhaustiveOf(before)) !== textOf(exhaustiveOf(after))) words.push('exhaustive area')
  if (before.properties.layer !== after.properties.layer) words.push(`layer ${after.properties.layer ?? ''}`)
  if (restOf(before) !== restOf(after)) words.push('properties')
  return words.join(', ') || 'nothing'
}

function whatHappened(before: Version | undefined, after: Version, begun: string): string {
  if (!before) return begun
  if (after.deleted) return 'deleted'
  const changes = changesBetween(before, after)
  if (!before.deleted) return changes
  return changes === 'nothing' ? 'brought back' : `brought back, ${changes}`
}

/** The steps of a history, the newest first; `versions` come oldest first. `begun` says how the first came about. */
export function historySteps(versions: readonly Version[], begun = 'drawn'): readonly HistoryStep[] {
  return versions
    .map((version, at) => {
      const { deleted: isDeleted = false, ...feature } = version
      const { author = '', revision = 0 } = version.properties
      return {
        revision,
        author,
        at: updatedOf(version),
        what: whatHappened(versions[at - 1], version, begun),
        isDeleted,
        feature,
      }
    })
    .reverse()
}
