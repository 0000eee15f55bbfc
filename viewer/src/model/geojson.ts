/** GeoJSON as it goes over the wire: coordinates are level-0 pixels, x right, y down. Rings are closed. */

export type Position = readonly [number, number, ...number[]]
export type Ring = readonly Position[]

export interface PointGeometry {
  readonly type: 'Point'
  readonly coordinates: Position
}
export interface MultiPointGeometry {
  readonly type: 'MultiPoint'
  readonly coordinates: readonly Position[]
}
export interface LineGeometry {
  readonly type: 'LineString'
  readonly coordinates: readonly Position[]
}
export interface MultiLineGeometry {
  readonly type: 'MultiLineString'
  readonly coordinates: readonly (readonly Position[])[]
}
export interface PolygonGeometry {
  readonly type: 'Polygon'
  readonly coordinates: readonly Ring[]
}
export interface MultiPolygonGeometry {
  readonly type: 'MultiPolygon'
  readonly coordinates: readonly (readonly Ring[])[]
}
export interface GeometryCollection {
  readonly type: 'GeometryCollection'
  readonly geometries: readonly Geometry[]
}

export type Geometry =
  | PointGeometry
  | MultiPointGeometry
  | LineGeometry
  | MultiLineGeometry
  | PolygonGeometry
  | MultiPolygonGeometry
  | GeometryCollection

export type Color = readonly [number, number, number]

export interface Classification {
  readonly name: string
  readonly color?: Color
}

/** What PathServe knows of a feature's properties; whatever else came in stays in place. */
export interface FeatureProperties {
  readonly classification?: Classification | null
  readonly layer?: string
  readonly author?: string
  readonly state?: string
  readonly revision?: number
  /** Number on the slide: the object's value in instance masks, its id in vector tiles. */
  readonly number?: number
  readonly objectType?: string
  readonly name?: string | null
  readonly isLocked?: boolean
  readonly [key: string]: unknown
}

export interface Feature {
  readonly type: 'Feature'
  readonly id: string
  readonly geometry: Geometry
  readonly properties: FeatureProperties
}

/** One run of vertices: a ring is closed (first position = last), a line is not, a point has one vertex. */
export interface Path {
  readonly positions: readonly Position[]
  readonly closed: boolean
}

/** List the vertex runs of a geometry in a fixed order; `withPath` replaces one by the same index. */
export function pathsOf(geometry: Geometry): readonly Path[] {
  switch (geometry.type) {
    case 'Point':
      return [{ positions: [geometry.coordinates], closed: false }]
    case 'MultiPoint':
      return geometry.coordinates.map((position) => ({ positions: [position], closed: false }))
    case 'LineString':
      return [{ positions: geometry.coordinates, closed: false }]
    case 'MultiLineString':
      return geometry.coordinates.map((positions) => ({ positions, closed: false }))
    case 'Polygon':
      return geometry.coordinates.map((positions) => ({ positions, closed: true }))
    case 'MultiPolygon':
      return geometry.coordinates.flat().map((positions) => ({ positions, closed: true }))
    case 'GeometryCollection':
      return geometry.geometries.flatMap(pathsOf)
  }
}

function replaceAt<T>(list: readonly T[], index: number, value: T): T[] {
  return list.map((old, at) => (at === index ? value : old))
}

/** Give the geometry with the vertex run `index` replaced; every other run is the same object as before. */
export function withPath(geometry: Geometry, index: number, positions: readonly Position[]): Geometry {
  const first = positions[0]
  switch (geometry.type) {
    case 'Point':
      return first ? { ...geometry, coordinates: first } : geometry
    case 'MultiPoint':
      return first ? { ...geometry, coordinates: replaceAt(geometry.coordinates, index, first) } : geometry
    case 'LineString':
      return { ...geometry, coordinates: positions }
    case 'MultiLineString':
    case 'Polygon':
      return { ...geometry, coordinates: replaceAt(geometry.coordinates, index, positions) }
    case 'MultiPolygon': {
      let start = 0
      const coordinates = geometry.coordinates.map((polygon) => {
        const at = index - start
        start += polygon.length
        return at >= 0 && at < polygon.length ? replaceAt(polygon, at, positions) : polygon
      })
      return { ...geometry, coordinates }
    }
    case 'GeometryCollection': {
      let start = 0
      const geometries = geometry.geometries.map((part) => {
        const at = index - start
        const count = pathsOf(part).length
        start += count
        return at >= 0 && at < count ? withPath(part, at, positions) : part
      })
      return { ...geometry, geometries }
    }
  }
}
