/** When two forms of a feature say the same to a reader. */
import type { Feature, Geometry } from './geojson'

function coordinatesText(geometry: Geometry): string {
  if (geometry.type === 'GeometryCollection') return geometry.geometries.map(coordinatesText).join()
  return geometry.type + JSON.stringify(geometry.coordinates)
}

/** Same geometry (every number), class and name; what the server keeps for itself does not count. */
export function sameContent(a: Feature, b: Feature): boolean {
  const [propertiesA, propertiesB] = [a.properties, b.properties]
  return (
    (propertiesA.classification?.name ?? null) === (propertiesB.classification?.name ?? null) &&
    (propertiesA.name ?? null) === (propertiesB.name ?? null) &&
    coordinatesText(a.geometry) === coordinatesText(b.geometry)
  )
}
