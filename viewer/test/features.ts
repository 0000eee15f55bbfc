import type { Feature, PolygonGeometry } from '../src/model/geojson'

export function square(x: number, y: number, side: number): PolygonGeometry {
  return {
    type: 'Polygon',
    coordinates: [
      [
        [x, y],
        [x + side, y],
        [x + side, y + side],
        [x, y + side],
        [x, y],
      ],
    ],
  }
}

export function featureOf(id: string, geometry: Feature['geometry'], className?: string, layer?: string): Feature {
  const classification = className === undefined ? {} : { classification: { name: className } }
  return { type: 'Feature', id, geometry, properties: { ...classification, ...(layer ? { layer } : {}) } }
}
