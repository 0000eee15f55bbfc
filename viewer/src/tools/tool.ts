/** What a tool is, and all that it may see and do. */
import type { Feature, Geometry, Position } from '../model/geojson'
import type { PointerSink } from '../model/pointer'
import type { Interaction } from '../store/interaction'

export interface Place {
  readonly p: Position
  /** How far around it objects count as there, in level-0 px. */
  readonly reach: number
}

export interface ViewerContext {
  readonly interaction: Interaction
  /** Screen pixels per level-0 pixel, for reaches that are meant on the screen. */
  zoom(): number
  get(id: string): Feature | undefined
  /** Point at the visible object at a place; null: at nothing. */
  hover(place: Place | null): void
  /** Select the visible object at a place, or nothing. */
  select(place: Place): void
  /** Select all visible objects within a ring of level-0 points. */
  selectWithin(ring: readonly Position[]): void
  mayEdit(feature: Feature): boolean
  /** Make an object of the active class; answers its id. */
  create(geometry: Geometry): string
  reshape(id: string, geometry: Geometry): void
}

export interface Tool extends PointerSink {
  /** A key by its name in `KeyboardEvent.key`; true when it was meant for the tool. */
  key(name: string): boolean
}

/** Reaches on the screen, in CSS pixels. */
export const REACH = { pick: 5, vertex: 9, edge: 6, firstVertex: 10, dragStart: 4 } as const

export function screenDistance(a: { screen: readonly [number, number] }, b: typeof a): number {
  return Math.hypot(a.screen[0] - b.screen[0], a.screen[1] - b.screen[1])
}
