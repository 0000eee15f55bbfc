/** How objects look in their tiles. */
import type { Color } from './geojson'

export interface Reclassed {
  readonly numbers: readonly number[]
  /** Null: none. */
  readonly className: string | null
}

export interface ObjectStyle {
  readonly colors: Readonly<Record<string, Color>>
  readonly filled: boolean
  /** Layers and classes that are not shown; the class '' is none. */
  readonly hiddenLayers: readonly string[]
  readonly hiddenClasses: readonly string[]
  /** Numbers of objects that are drawn elsewhere, because the tiles are behind. */
  readonly drawnElsewhere: readonly number[]
  /** Numbers of objects that are deleted, and that the tiles still have. */
  readonly gone: readonly number[]
  /** Numbers of objects that are chosen together. */
  readonly chosen: readonly number[]
  /** Classes that objects have by now, because the tiles are behind; of several for one object the last one counts. */
  readonly reclassed: readonly Reclassed[]
}

/** What a place with a single object is covered by at least, so that nothing seems absent that is there. */
const LEAST_ALPHA = 0.3
const MOST_ALPHA = 0.9
/** Objects that crowd this many level-0 px² each are about as dense as nuclei get. */
const CROWDED_AREA = 32 * 32

/** How much of its colour a bin of `area` level-0 px² gets for `count` objects: more for more, 0 only for none. */
export function densityAlpha(count: number, area: number): number {
  if (count <= 0) return 0
  return LEAST_ALPHA + (MOST_ALPHA - LEAST_ALPHA) * (1 - Math.exp((-count * CROWDED_AREA) / area))
}
