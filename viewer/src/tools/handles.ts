/** Vertices and edges of one geometry, found by place without going through all of them. */
import RBush from 'rbush'
import { type Geometry, type Position, pathsOf, withPath } from '../model/geojson'
import { distanceToSegment } from '../model/geometry'

export interface VertexHandle {
  readonly kind: 'vertex'
  readonly path: number
  readonly index: number
}

/** The edge from vertex `index` to the next. */
export interface EdgeHandle {
  readonly kind: 'edge'
  readonly path: number
  readonly index: number
}

export type Handle = VertexHandle | EdgeHandle

interface Segment {
  readonly minX: number
  readonly minY: number
  readonly maxX: number
  readonly maxY: number
  readonly path: number
  readonly index: number
  readonly a: Position
  readonly b: Position
}

function segmentsOf(geometry: Geometry): Segment[] {
  return pathsOf(geometry).flatMap(({ positions }, path) =>
    positions.map((a, index) => {
      const b = positions[index + 1] ?? a
      const [minX, maxX] = [Math.min(a[0], b[0]), Math.max(a[0], b[0])]
      const [minY, maxY] = [Math.min(a[1], b[1]), Math.max(a[1], b[1])]
      return { minX, minY, maxX, maxY, path, index, a, b }
    }),
  )
}

export class HandleIndex {
  private readonly tree = new RBush<Segment>()

  constructor(geometry: Geometry) {
    this.tree.load(segmentsOf(geometry))
  }

  /** The nearest vertex within `vertexReach`, else the nearest edge within `edgeReach` (level-0 px), else null. */
  at(p: Position, vertexReach: number, edgeReach: number): Handle | null {
    const reach = Math.max(vertexReach, edgeReach)
    const box = { minX: p[0] - reach, minY: p[1] - reach, maxX: p[0] + reach, maxY: p[1] + reach }
    let vertex: { handle: VertexHandle; distance: number } | null = null
    let edge: { handle: EdgeHandle; distance: number } | null = null
    for (const { path, index, a, b } of this.tree.search(box)) {
      const toVertex = Math.hypot(p[0] - a[0], p[1] - a[1])
      if (toVertex <= vertexReach && toVertex < (vertex?.distance ?? Infinity)) {
        vertex = { handle: { kind: 'vertex', path, index }, distance: toVertex }
      }
      const toEdge = a === b ? Infinity : distanceToSegment(p, a, b)
      if (toEdge <= edgeReach && toEdge < (edge?.distance ?? Infinity)) {
        edge = { handle: { kind: 'edge', path, index }, distance: toEdge }
      }
    }
    return vertex?.handle ?? edge?.handle ?? null
  }
}

/** A ring is closed again by repeating its first position. */
function closeAgain(positions: readonly Position[]): Position[] {
  const first = positions[0]
  return first ? [...positions.slice(0, -1), first] : []
}

/** Give the geometry with one vertex elsewhere; further numbers of its position (z) stay. */
export function moveVertex(geometry: Geometry, handle: VertexHandle, to: Position): Geometry {
  const path = pathsOf(geometry)[handle.path]
  const old = path?.positions[handle.index]
  if (!path || !old) return geometry
  const last = path.positions.length - 1
  const index = path.closed && handle.index === last ? 0 : handle.index
  const moved: Position = [to[0], to[1], ...old.slice(2)]
  const positions = path.positions.map((position, at) => (at === index ? moved : position))
  return withPath(geometry, handle.path, path.closed ? closeAgain(positions) : positions)
}

/** Give the geometry with a new vertex on an edge. */
export function insertVertex(geometry: Geometry, handle: EdgeHandle, at: Position): Geometry {
  const path = pathsOf(geometry)[handle.path]
  const before = path?.positions[handle.index]
  if (!path || !before) return geometry
  const inserted: Position = [at[0], at[1], ...before.slice(2)]
  return withPath(geometry, handle.path, path.positions.toSpliced(handle.index + 1, 0, inserted))
}

/** Give the geometry without one vertex, or null when what remains would be no ring or line any more. */
export function deleteVertex(geometry: Geometry, handle: VertexHandle): Geometry | null {
  const path = pathsOf(geometry)[handle.path]
  if (!path || path.positions.length <= (path.closed ? 4 : 2)) return null
  const last = path.positions.length - 1
  const index = path.closed && handle.index === last ? 0 : handle.index
  const positions = path.positions.toSpliced(index, 1)
  return withPath(geometry, handle.path, path.closed ? closeAgain(positions) : positions)
}
