import type { Position } from '../model/geojson'
import type { PointerInput } from '../model/pointer'
import { type Place, REACH, screenDistance, type Tool, type ViewerContext } from './tool'

/**
 * Move: a drag pans (the canvas does that), a click selects, a drag with Shift selects all within a box, with Ctrl and Shift
 * all within the line that is drawn.
 */
export class MoveTool implements Tool {
  private band: PointerInput | null = null
  /** The line that is drawn around objects, in level-0 pixels; null: a box is drawn. */
  private lasso: Position[] | null = null

  constructor(protected readonly context: ViewerContext) {}

  down(input: PointerInput): boolean {
    if (!input.shift || input.device === 'touch') return false
    this.band = input
    this.lasso = input.ctrl ? [input.l0] : null
    return true
  }

  drag(input: PointerInput): void {
    if (this.band) this.context.interaction.band.value = this.ringTo(this.band, input)
  }

  up(input: PointerInput): void {
    const start = this.band
    if (!start) return
    const ring = this.ringTo(start, input)
    // A line around something ends where it began.
    const isClick = ring.length < 3 || (!this.lasso && screenDistance(start, input) < REACH.dragStart)
    this.endBand()
    if (isClick) this.click(input)
    else this.context.selectWithin(ring)
  }

  cancel(): void {
    this.endBand()
  }

  click(input: PointerInput): void {
    this.context.select(this.placeOf(input))
  }

  hover(input: PointerInput | null): void {
    this.context.hover(input && this.placeOf(input))
  }

  key(name: string): boolean {
    const { selection, group, band } = this.context.interaction
    if (name !== 'Escape' || [selection, group, band].every((signal) => signal.peek() === null)) return false
    if (band.peek()) this.endBand()
    else {
      selection.value = null
      group.value = null
    }
    return true
  }

  protected get hasBand(): boolean {
    return this.band !== null
  }

  private ringTo(start: PointerInput, input: PointerInput): readonly Position[] {
    if (!this.lasso) return boxBetween(start, input)
    const apart = REACH.dragStart / this.context.zoom()
    for (const [x, y] of input.trail) {
      const [lastX, lastY] = this.lasso.at(-1) ?? [x, y]
      if (Math.hypot(x - lastX, y - lastY) >= apart) this.lasso.push([x, y])
    }
    return [...this.lasso]
  }

  private endBand(): void {
    this.band = null
    this.lasso = null
    this.context.interaction.band.value = null
  }

  private placeOf(input: PointerInput): Place {
    return { p: input.l0, reach: REACH.pick / this.context.zoom() }
  }
}

/** Corners of the box that is upright on the screen, whichever way the slide is turned. */
function boxBetween(from: PointerInput, to: PointerInput): readonly Position[] {
  const [sx, sy] = [to.screen[0] - from.screen[0], to.screen[1] - from.screen[1]]
  const [lx, ly] = [to.l0[0] - from.l0[0], to.l0[1] - from.l0[1]]
  const squared = sx * sx + sy * sy
  if (squared === 0) return [from.l0, from.l0, to.l0, to.l0]
  // Level-0 steps are screen steps turned and scaled: [re, im] is that factor as a complex number.
  const [re, im] = [(lx * sx + ly * sy) / squared, (ly * sx - lx * sy) / squared]
  const right: Position = [from.l0[0] + re * sx, from.l0[1] + im * sx]
  const down: Position = [from.l0[0] - im * sy, from.l0[1] + re * sy]
  return [from.l0, right, to.l0, down]
}
