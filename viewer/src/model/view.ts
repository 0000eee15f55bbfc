/** The view: which place of the slide is on the screen, and the exact map between the two frames. */
import type { Box } from './geometry'

/** Screen points are CSS pixels from the top-left corner of the canvas, y down. */
export type ScreenPoint = readonly [number, number]
/** Level-0 points are level-0 pixels, y down. */
export type L0Point = readonly [number, number]

export interface View {
  /** Centre of the canvas in level-0 pixels. */
  readonly x: number
  readonly y: number
  /** Screen (CSS) pixels per level-0 pixel: 1 shows level 0 as it is. */
  readonly zoom: number
  /** Clockwise turn of the slide on the screen, in radians. */
  readonly rotation: number
  /** Size of the canvas in CSS pixels. */
  readonly width: number
  readonly height: number
}

/** The level-0 point under a screen point. */
export function toL0(view: View, [px, py]: ScreenPoint): L0Point {
  const [dx, dy] = [(px - view.width / 2) / view.zoom, (py - view.height / 2) / view.zoom]
  const [cos, sin] = [Math.cos(view.rotation), Math.sin(view.rotation)]
  return [view.x + cos * dx + sin * dy, view.y - sin * dx + cos * dy]
}

/** The screen point over a level-0 point. */
export function toScreen(view: View, [x, y]: L0Point): ScreenPoint {
  const [dx, dy] = [(x - view.x) * view.zoom, (y - view.y) * view.zoom]
  const [cos, sin] = [Math.cos(view.rotation), Math.sin(view.rotation)]
  return [view.width / 2 + cos * dx - sin * dy, view.height / 2 + sin * dx + cos * dy]
}

/** The four corners of the canvas in level-0 pixels, clockwise from the top left. */
export function cornersOf(view: View): readonly L0Point[] {
  const { width, height } = view
  return [toL0(view, [0, 0]), toL0(view, [width, 0]), toL0(view, [width, height]), toL0(view, [0, height])]
}

/** The upright level-0 box around what is on the screen, widened by `margin` of its size on every side. */
export function viewBox(view: View, margin = 0): Box {
  const corners = cornersOf(view)
  const xs = corners.map(([x]) => x)
  const ys = corners.map(([, y]) => y)
  const [x0, y0, x1, y1] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
  const [mx, my] = [(x1 - x0) * margin, (y1 - y0) * margin]
  return [x0 - mx, y0 - my, x1 + mx, y1 + my]
}

/** The zoom at which a turned slide of `width` x `height` just fits the canvas. */
export function fitZoom(
  slide: { width: number; height: number },
  canvas: { width: number; height: number },
  rotation: number,
): number {
  const [cos, sin] = [Math.abs(Math.cos(rotation)), Math.abs(Math.sin(rotation))]
  const width = slide.width * cos + slide.height * sin
  const height = slide.width * sin + slide.height * cos
  return Math.min(canvas.width / width, canvas.height / height)
}

/** Rotation in degrees, 0 <= d < 360, without the noise of radians. */
export function degreesOf(rotation: number): number {
  const degrees = Math.round(((rotation * 180) / Math.PI) * 100) / 100
  return ((degrees % 360) + 360) % 360
}

export function radiansOf(degrees: number): number {
  return (degrees * Math.PI) / 180
}
