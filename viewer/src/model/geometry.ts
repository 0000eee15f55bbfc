/** Measures and hit tests on level-0 coordinates. */
import { type Geometry, type Path, type Position, pathsOf, type Ring } from './geojson'

/** `[x0, y0, x1, y1]` in level-0 pixels. */
export type Box = readonly [number, number, number, number]

export interface Mpp {
  readonly x: number
  readonly y: number
}

/** Bounding box of a geometry; an empty geometry gives an inverted, infinite box. */
export function boundsOf(geometry: Geometry): Box {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const { positions } of pathsOf(geometry)) {
    for (const [x, y] of positions) {
      if (x < x0) x0 = x
      if (x > x1) x1 = x
      if (y < y0) y0 = y
      if (y > y1) y1 = y
    }
  }
  return [x0, y0, x1, y1]
}

export function boxesMeet(a: Box, b: Box): boolean {
  return a[0] <= b[2] && a[2] >= b[0] && a[1] <= b[3] && a[3] >= b[1]
}

/** The smallest box that holds all of `boxes`; of none an inverted, infinite one. */
export function unionOf(boxes: readonly Box[]): Box {
  return boxes.reduce<Box>(
    (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])],
    [Infinity, Infinity, -Infinity, -Infinity],
  )
}

/** Area of one ring, positive whatever its direction; offsets keep far-out coordinates exact. */
export function ringArea(ring: Ring, scale: Mpp = { x: 1, y: 1 }): number {
  const origin = ring[0]
  if (!origin) return 0
  let twice = 0
  for (let i = 1; i < ring.length; i++) {
    const [a, b] = [ring[i - 1] as Position, ring[i] as Position]
    twice += (a[0] - origin[0]) * (b[1] - origin[1]) - (b[0] - origin[0]) * (a[1] - origin[1])
  }
  return (Math.abs(twice) / 2) * scale.x * scale.y
}

/** Area with holes taken off, in level-0 px² or, with `scale`, in µm². Lines and points have none. */
export function areaOf(geometry: Geometry, scale?: Mpp): number {
  const polygon = (rings: readonly Ring[]): number =>
    rings.reduce((sum, ring, index) => sum + (index === 0 ? 1 : -1) * ringArea(ring, scale), 0)
  switch (geometry.type) {
    case 'Polygon':
      return polygon(geometry.coordinates)
    case 'MultiPolygon':
      return geometry.coordinates.reduce((sum, rings) => sum + polygon(rings), 0)
    case 'GeometryCollection':
      return geometry.geometries.reduce((sum, part) => sum + areaOf(part, scale), 0)
    default:
      return 0
  }
}

/** Length of all rings (holes too) and lines, in level-0 px or, with `scale`, in µm. */
export function perimeterOf(geometry: Geometry, scale: Mpp = { x: 1, y: 1 }): number {
  let length = 0
  for (const { positions } of pathsOf(geometry)) {
    for (let i = 1; i < positions.length; i++) {
      const [a, b] = [positions[i - 1] as Position, positions[i] as Position]
      length += Math.hypot((b[0] - a[0]) * scale.x, (b[1] - a[1]) * scale.y)
    }
  }
  return length
}

/** Number of distinct vertices: the closing position of a ring is not counted again. */
export function vertexCount(geometry: Geometry): number {
  return pathsOf(geometry).reduce((sum, path) => sum + path.positions.length - (path.closed ? 1 : 0), 0)
}

/** Number of holes. */
export function holeCount(geometry: Geometry): number {
  switch (geometry.type) {
    case 'Polygon':
      return Math.max(0, geometry.coordinates.length - 1)
    case 'MultiPolygon':
      return geometry.coordinates.reduce((sum, rings) => sum + Math.max(0, rings.length - 1), 0)
    case 'GeometryCollection':
      return geometry.geometries.reduce((sum, part) => sum + holeCount(part), 0)
    default:
      return 0
  }
}

/** Distance from `p` to the segment `a`-`b`. */
export function distanceToSegment(p: Position, a: Position, b: Position): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]]
  const squared = dx * dx + dy * dy
  const t = squared === 0 ? 0 : Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / squared))
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy)
}

/** Whether an upward or downward edge of the ring is crossed an odd number of times to the right of `p`. */
function oddCrossings(p: Position, ring: Ring): boolean {
  let odd = false
  for (let i = 1; i < ring.length; i++) {
    const [a, b] = [ring[i - 1] as Position, ring[i] as Position]
    if (a[1] > p[1] !== b[1] > p[1] && p[0] < a[0] + ((p[1] - a[1]) * (b[0] - a[0])) / (b[1] - a[1])) odd = !odd
  }
  return odd
}

/** Whether `p` lies inside an open or closed ring. */
export function insideRing(p: Position, ring: Ring): boolean {
  const [first, last] = [ring[0], ring.at(-1)]
  if (!first || !last) return false
  const closed = first[0] === last[0] && first[1] === last[1]
  return oddCrossings(p, closed ? ring : [...ring, first])
}

function nearPath(p: Position, path: Path, reach: number): boolean {
  const first = path.positions[0]
  if (path.positions.length === 1 && first) return Math.hypot(p[0] - first[0], p[1] - first[1]) <= reach
  for (let i = 1; i < path.positions.length; i++) {
    if (distanceToSegment(p, path.positions[i - 1] as Position, path.positions[i] as Position) <= reach) return true
  }
  return false
}

/** Whether `p` lies inside a polygon (even-odd, so not in its holes) or within `reach` of an outline, line or point. */
export function hits(geometry: Geometry, p: Position, reach: number): boolean {
  const paths = pathsOf(geometry)
  let inside = false
  for (const path of paths) {
    if (path.closed && oddCrossings(p, path.positions)) inside = !inside
  }
  return inside || paths.some((path) => nearPath(p, path, reach))
}
