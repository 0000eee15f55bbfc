/** Answers about objects out of their tiles; the canvas and its workers give them. */
import type { Position } from '../model/geojson'
import type { Box } from '../model/geometry'
import type { ClassCount, Group, Picked } from '../model/picked'

export interface ObjectReader {
  /** The smallest shown object at `p` or within `reach` level-0 px of it, as it is drawn now. */
  pick(p: Position, reach: number): Promise<Picked | null>
  /** All shown objects whose box lies within a ring; null when that are too many tiles to look through. */
  within(ring: readonly Position[]): Promise<Group | null>
  /** Numbers of the drawn objects that meet a box, in reading order (rows of a tenth of the box). */
  inReadingOrder(box: Box): Promise<readonly number[]>
  /** How many objects the whole slide has. */
  counts(): Promise<readonly ClassCount[]>
}
