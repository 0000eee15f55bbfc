/** What is known of objects from their tiles alone. */
import { classNameOf } from './annotation-class'
import type { Feature, Geometry } from './geojson'
import { boundsOf } from './geometry'

/** An object under the pointer. */
export interface Picked {
  /** Number of the object on its slide; null where the server has not told it yet. */
  readonly number: number | null
  /** Null: the tile does not tell it. */
  readonly id: string | null
  /** Null: it has no class. */
  readonly className: string | null
  readonly layer: string
  /** As far as its tile has it, in level-0 pixels. */
  readonly geometry: Geometry
  /** Whether the tile has all of it. */
  readonly whole: boolean
  /** Area of its box in level-0 px²: small objects lie on top. */
  readonly area: number
  /** A revision, of the slide or of the object itself, at which it was like this. */
  readonly seen: number
}

/** An object that is held whole. */
export function pickedOf(feature: Feature): Picked {
  const { geometry, id, properties } = feature
  const [x0, y0, x1, y1] = boundsOf(geometry)
  const [className, layer] = [classNameOf(feature), properties.layer ?? '']
  const [area, seen] = [(x1 - x0) * (y1 - y0), properties.revision ?? 0]
  return { number: numberOf(feature), id, className, layer, geometry, whole: true, area, seen }
}

/** Whether two answers are about one object. */
export function samePicked(a: Picked | null, b: Picked | null): boolean {
  if (!a || !b) return a === b
  return a.number !== null ? a.number === b.number : a.id === b.id
}

/** The object's number on its slide; null as long as the server has not told it. */
export function numberOf({ properties }: Feature): number | null {
  return typeof properties.number === 'number' ? properties.number : null
}

/** Many objects that were chosen together. */
export interface Group {
  readonly numbers: readonly number[]
  /** Class and layer of each, by the place of its number; null: no class. */
  readonly classNames: readonly (string | null)[]
  readonly layers: readonly string[]
  /** A revision, of the slide or of the object itself, at which the reader saw each. */
  readonly seen: readonly number[]
}

/** One object as a group: what is done to it does not need to know more of it. */
export function groupOf({ number, className, layer, seen }: Picked): Group | null {
  return number === null ? null : { numbers: [number], classNames: [className], layers: [layer], seen: [seen] }
}

/** How many objects of a class a layer has. */
export interface ClassCount {
  readonly className: string | null
  readonly layer: string
  readonly count: number
}

/** How many objects of each class are in a group, the most frequent first. */
export function classCounts(group: Group): readonly (readonly [string | null, number])[] {
  const counts = new Map<string | null, number>()
  for (const name of group.classNames) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1])
}
