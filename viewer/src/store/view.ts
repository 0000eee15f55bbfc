/** The current view, and the commands that move it; the canvas does the moving. */
import { signal } from '@preact/signals'
import type { Box } from '../model/geometry'
import { fitZoom, type L0Point, type ScreenPoint, type View } from '../model/view'

export type ViewTarget = Partial<Pick<View, 'x' | 'y' | 'zoom' | 'rotation'>>

/** How much of the canvas a place fills that is brought into view. */
const MARK_ROOM = 0.6

/** What the canvas can do to the view. */
export interface ViewDriver {
  show(target: ViewTarget, animate: boolean): void
  fit(animate: boolean): void
  /** Zoom by a factor about a screen point (default: the centre). */
  zoomBy(factor: number, about?: ScreenPoint): void
  /** Move the view by screen pixels. */
  panBy(dx: number, dy: number): void
}

export class ViewStore {
  /** The view as it is drawn now; null until the first frame. */
  readonly view = signal<View | null>(null)
  /** The level-0 point under the pointer, or null. */
  readonly pointer = signal<L0Point | null>(null)
  /** Zoom at which the whole slide fits. */
  readonly fitZoom = signal(0)
  /** Counts jumps (buttons, minimap): each becomes a step of the browser's history. */
  readonly jumps = signal(0)
  /** A place that somebody has asked to be shown, framed until it is taken away. */
  readonly mark = signal<Box | null>(null)
  private driver: ViewDriver | null = null

  attach(driver: ViewDriver | null): void {
    this.driver = driver
  }

  /** Go somewhere else at once; the place left behind stays one step back in the history. */
  jump(target: ViewTarget): void {
    this.jumps.value++
    this.driver?.show(target, true)
  }

  /** Bring a place into view with some room around it, at most as large as its pixels, and frame it. */
  jumpTo(box: Box): void {
    const view = this.view.peek()
    if (!view) return
    const [x0, y0, x1, y1] = box
    const fit = fitZoom({ width: x1 - x0, height: y1 - y0 }, view, view.rotation)
    this.mark.value = box
    this.jump({ x: (x0 + x1) / 2, y: (y0 + y1) / 2, zoom: Math.min(1, fit * MARK_ROOM) })
  }

  /** Follow a pointer or the history; no step of its own. */
  show(target: ViewTarget, animate = false): void {
    this.driver?.show(target, animate)
  }

  fit(): void {
    this.jumps.value++
    this.driver?.fit(true)
  }

  zoomBy(factor: number): void {
    this.driver?.zoomBy(factor)
  }

  panBy(dx: number, dy: number): void {
    this.driver?.panBy(dx, dy)
  }

  rotateBy(radians: number): void {
    const view = this.view.peek()
    if (view) this.driver?.show({ rotation: view.rotation + radians }, true)
  }
}
