/** The current view, and the commands that move it; the canvas does the moving. */
import { signal } from '@preact/signals'
import type { L0Point, ScreenPoint, View } from '../model/view'

export type ViewTarget = Partial<Pick<View, 'x' | 'y' | 'zoom' | 'rotation'>>

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
  private driver: ViewDriver | null = null

  attach(driver: ViewDriver | null): void {
    this.driver = driver
  }

  /** Go somewhere else at once; the place left behind stays one step back in the history. */
  jump(target: ViewTarget): void {
    this.jumps.value++
    this.driver?.show(target, true)
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
