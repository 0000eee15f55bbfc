/** Areas within which everything is annotated: what is not, is background there and unknown elsewhere. */
import type { Feature } from './geojson'

/** Of which classes everything is annotated: of all (true), of none (false), or of those named. */
export type Exhaustive = boolean | readonly string[]

export function exhaustiveOf({ properties }: Feature): Exhaustive {
  const { exhaustive } = properties
  if (Array.isArray(exhaustive)) return exhaustive.length > 0 ? exhaustive.map(String) : false
  return exhaustive === true
}

/** Whether the object is a frame around what was annotated. */
export function isExhaustive(feature: Feature): boolean {
  return exhaustiveOf(feature) !== false
}

/** Only an area can be annotated exhaustively. */
export function canBeExhaustive({ geometry }: Feature): boolean {
  return geometry.type === 'Polygon' || geometry.type === 'MultiPolygon'
}
