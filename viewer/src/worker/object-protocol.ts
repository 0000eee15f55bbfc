/** What page and the workers that hold objects say to each other. */

import type { Position } from '../model/geojson'
import type { Box } from '../model/geometry'
import type { ObjectStyle } from '../model/object-style'
import type { ClassCount, Picked } from '../model/picked'
import type { TilePart, TilePlace } from '../model/vector-tile'

export type Ask =
  /** A picture of a tile; null when nothing is to be seen on it. */
  | {
      readonly kind: 'paint'
      readonly place: TilePlace
      readonly part: TilePart
      readonly side: number
      readonly ratio: number
    }
  | { readonly kind: 'pick'; readonly place: TilePlace; readonly at: Position; readonly reach: number }
  | { readonly kind: 'within'; readonly places: readonly TilePlace[]; readonly ring: readonly Position[] }
  | { readonly kind: 'meeting'; readonly places: readonly TilePlace[]; readonly box: Box }
  | { readonly kind: 'count'; readonly place: TilePlace }

export interface WithinAnswer {
  readonly numbers: Float64Array
  readonly classNames: readonly (string | null)[]
  readonly layers: readonly string[]
  readonly seen: Float64Array
  readonly outside: Float64Array
}

export interface MeetingAnswer {
  readonly numbers: Float64Array
  readonly xs: Float64Array
  readonly ys: Float64Array
}

export interface Answers {
  readonly paint: ImageBitmap | null
  readonly pick: Picked | null
  readonly within: WithinAnswer
  readonly meeting: MeetingAnswer
  readonly count: readonly ClassCount[]
}

export type ToObjectWorker =
  | { readonly kind: 'style'; readonly style: ObjectStyle }
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'ask'; readonly id: number; readonly ask: Ask }

export type FromObjectWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Ask['kind']] }
  /** `status` of the answer that was no tile; 0 when there was none. */
  | { readonly kind: 'failed'; readonly id: number; readonly status: number }
