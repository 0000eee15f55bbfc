/** When two forms of a feature say the same to a reader. */
import { exhaustiveOf } from './exhaustive'
import type { Feature, Geometry } from './geojson'

function coordinatesText(geometry: Geometry): string {
  if (geometry.type === 'GeometryCollection') return geometry.geometries.map(coordinatesText).join()
  return geometry.type + JSON.stringify(geometry.coordinates)
}

/** Same geometry (every number), class, name, state and mark of an area; what the server keeps for itself does not count. */
export function sameContent(a: Feature, b: Feature): boolean {
  const [propertiesA, propertiesB] = [a.properties, b.properties]
  return (
    (propertiesA.classification?.name ?? null) === (propertiesB.classification?.name ?? null) &&
    (propertiesA.name ?? null) === (propertiesB.name ?? null) &&
    (propertiesA.state ?? 'draft') === (propertiesB.state ?? 'draft') &&
    JSON.stringify(exhaustiveOf(a)) === JSON.stringify(exhaustiveOf(b)) &&
    coordinatesText(a.geometry) === coordinatesText(b.geometry)
  )
}
