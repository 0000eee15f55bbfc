/** Paint objects on a 2D context in screen pixels. */
import { type AnnotationClass, colorOf, cssColor } from '../model/annotation-class'
import { isExhaustive } from '../model/exhaustive'
import { type Feature, type Geometry, type Position, pathsOf } from '../model/geojson'
import { toScreen, type View } from '../model/view'

export interface PaintStyle {
  /** Objects with the same key are painted alike and may share a path. */
  readonly key: string
  readonly stroke: string
  readonly fill: string | null
  readonly dash: readonly number[]
  readonly width: number
}

export interface PaintGroup {
  readonly style: PaintStyle
  readonly features: readonly Feature[]
}

const FILL_ALPHA = 0.16
const POINT_RADIUS = 5
/** Vertices nearer to each other than this on the screen are not drawn apart. */
const DETAIL_PX = 0.6

export function styleOf(
  feature: Feature,
  classes: ReadonlyMap<string, AnnotationClass>,
  filled: boolean,
  refused: boolean,
): PaintStyle {
  const color = colorOf(feature, classes)
  // As in tiles: a frame around what is annotated, with nothing that tints it.
  const frame = isExhaustive(feature)
  const dash = refused ? [6, 4] : frame ? [8, 4] : []
  const fill = filled && !frame ? cssColor(color, FILL_ALPHA) : null
  return { key: `${color}${filled}${refused}${frame}`, stroke: cssColor(color), fill, dash, width: 1.5 }
}

/** Trace one run of vertices; returns false when it is too small to be more than a dot. */
function trace(context: CanvasRenderingContext2D, view: View, positions: readonly Position[], closed: boolean): void {
  const last = positions.length - 1
  let [lastX, lastY] = [Infinity, Infinity]
  positions.forEach((position, index) => {
    const [x, y] = toScreen(view, [position[0], position[1]])
    if (index === 0) context.moveTo(x, y)
    else if (closed && index === last) context.closePath()
    else if (index === last || Math.abs(x - lastX) + Math.abs(y - lastY) >= DETAIL_PX) context.lineTo(x, y)
    else return
    ;[lastX, lastY] = [x, y]
  })
}

function traceDot(context: CanvasRenderingContext2D, view: View, position: Position): void {
  const [x, y] = toScreen(view, [position[0], position[1]])
  context.moveTo(x + POINT_RADIUS, y)
  context.arc(x, y, POINT_RADIUS, 0, 2 * Math.PI)
}

export function traceGeometry(context: CanvasRenderingContext2D, view: View, geometry: Geometry): void {
  for (const { positions, closed } of pathsOf(geometry)) {
    const [only] = positions
    if (positions.length === 1 && only) traceDot(context, view, only)
    else trace(context, view, positions, closed)
  }
}

function hasHoles(geometry: Geometry): boolean {
  return geometry.type === 'Polygon' ? geometry.coordinates.length > 1 : geometry.type === 'MultiPolygon'
}

function isOpen(geometry: Geometry): boolean {
  return geometry.type === 'LineString' || geometry.type === 'MultiLineString'
}

/** Paint a few objects of one style: those without holes in one path, the others one by one. */
export function paintGroup(
  context: CanvasRenderingContext2D,
  view: View,
  style: PaintStyle,
  features: readonly Feature[],
): void {
  context.strokeStyle = style.stroke
  context.fillStyle = style.fill ?? 'transparent'
  context.lineWidth = style.width
  context.lineJoin = 'round'
  context.setLineDash([...style.dash])
  const finish = (rule: CanvasFillRule, filled: boolean): void => {
    if (style.fill && filled) context.fill(rule)
    context.stroke()
  }
  const simple = features.filter(({ geometry }) => !hasHoles(geometry) && !isOpen(geometry))
  context.beginPath()
  for (const { geometry } of simple) traceGeometry(context, view, geometry)
  finish('nonzero', true)
  for (const { geometry } of features) {
    if (!hasHoles(geometry) && !isOpen(geometry)) continue
    context.beginPath()
    traceGeometry(context, view, geometry)
    finish('evenodd', !isOpen(geometry))
  }
}
