/** One annotation as a row of the table: what its columns show, without its outline. */
import { classNameOf } from './annotation-class'
import type { Feature } from './geojson'
import { areaOf, type Box, boundsOf, type Mpp } from './geometry'
import type { Fates } from './group-edit'
import { updatedOf } from './history'

/** What the server can sort by; a minus sign turns it round. */
export type SortKey = 'number' | 'class' | 'state' | 'score' | 'area' | 'updated'
export type Order = SortKey | `-${SortKey}`

export interface ObjectRow {
  /** The object's number on its slide. */
  readonly number: number
  readonly id: string
  readonly className: string | null
  readonly layer: string
  readonly state: string
  readonly score: number | null
  /** µm² where the pixel size is known, else level-0 px²; null for points and lines. */
  readonly area: number | null
  readonly author: string
  /** RFC 3339; '' when the server does not tell it. */
  readonly updated: string
  readonly box: Box
  /** The object's own. */
  readonly revision: number
  /** It has been deleted since the list was read. */
  readonly isGone?: boolean
}

export function rowOf(feature: Feature, mpp: Mpp | null): ObjectRow {
  const { geometry, properties, id } = feature
  const closed = geometry.type === 'Polygon' || geometry.type === 'MultiPolygon'
  return {
    number: properties.number ?? 0,
    id,
    className: classNameOf(feature),
    layer: properties.layer ?? '',
    state: properties.state ?? 'draft',
    score: typeof properties.score === 'number' ? properties.score : null,
    area: closed ? areaOf(geometry, mpp ?? undefined) : null,
    author: properties.author ?? '',
    updated: updatedOf(feature),
    box: boundsOf(geometry),
    revision: properties.revision ?? 0,
  }
}

/** Rows after something has become of objects; the same list when it is of none of them. */
export function rowsAfter(rows: readonly ObjectRow[], fates: Fates): readonly ObjectRow[] {
  if (!rows.some(({ number }) => fates.has(number))) return rows
  return rows.map((row) => {
    const fate = fates.get(row.number)
    if (!fate) return row
    return 'isDeleted' in fate ? { ...row, isGone: fate.isDeleted } : { ...row, ...fate, isGone: false }
  })
}

/** The order after a press on a column's head: up, down, and back to the order of numbers. */
export function nextOrder(now: Order, key: SortKey): Order {
  if (now === key) return `-${key}`
  return now === `-${key}` ? 'number' : key
}

/** How a column is sorted, in the words of ARIA. */
export function sortedAs(now: Order, key: SortKey): 'ascending' | 'descending' | 'none' {
  if (now === key) return 'ascending'
  return now === `-${key}` ? 'descending' : 'none'
}
