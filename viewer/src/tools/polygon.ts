/** Polygon: clicks set vertices, a drag draws freehand; double click, Enter or the first vertex closes. */
import type { Position } from '../model/geojson'
import type { PointerInput } from '../model/pointer'
import { REACH, screenDistance, type Tool, type ViewerContext } from './tool'

/** Freehand vertices lie at least this far apart on the screen, in CSS pixels. */
const FREEHAND_STEP = 2

interface Press {
  readonly start: PointerInput
  /** How many vertices there were before the press. */
  readonly before: number
  readonly freehand: boolean
}

export class PolygonTool implements Tool {
  private vertices: Position[] = []
  private press: Press | null = null

  constructor(private readonly context: ViewerContext) {}

  /** Take up vertices that an earlier visit has left unfinished. */
  resume(vertices: readonly Position[]): void {
    this.vertices = [...vertices]
    this.show(null)
  }

  down(input: PointerInput): boolean {
    // Fingers pan; their taps come as clicks.
    if (input.device === 'touch') return false
    this.begin(input)
    return true
  }

  drag(input: PointerInput): void {
    const { press } = this
    if (!press) return
    if (!press.freehand) {
      if (screenDistance(press.start, input) < REACH.dragStart) return
      this.press = { ...press, freehand: true }
      this.append(press.start.l0, 0)
    }
    for (const point of input.trail) this.append(point, FREEHAND_STEP / this.context.zoom())
    this.show(input)
  }

  up(input: PointerInput): void {
    const { press } = this
    this.press = null
    if (!press) return
    if (!press.freehand) this.place(press.start)
    else {
      this.append(input.l0, FREEHAND_STEP / this.context.zoom())
      if (press.before === 0) this.finish()
    }
    this.show(input)
  }

  click(input: PointerInput): void {
    this.begin(input)
    this.up(input)
    if (this.vertices.length > 0) this.show(null)
  }

  hover(input: PointerInput | null): void {
    this.show(input)
  }

  cancel(): void {
    if (this.press?.freehand) this.vertices.length = this.press.before
    this.press = null
    this.show(null)
  }

  key(name: string): boolean {
    if (this.vertices.length === 0) return false
    if (name === 'Enter') this.finish()
    else if (name === 'Backspace' || name === 'Undo') this.vertices.pop()
    else if (name === 'Escape') this.vertices = []
    else return false
    this.press = null
    this.show(null)
    return true
  }

  private begin(input: PointerInput): void {
    // The second press of a double click closes; the presses after it mean nothing.
    if (input.clicks === 2) this.finish()
    this.press = input.clicks > 1 ? null : { start: input, before: this.vertices.length, freehand: false }
  }

  private place(input: PointerInput): void {
    if (this.onFirst(input)) this.finish()
    else this.append(input.l0, 0)
  }

  private onFirst(input: PointerInput): boolean {
    const first = this.vertices[0]
    if (!first || this.vertices.length < 3) return false
    const distance = Math.hypot(first[0] - input.l0[0], first[1] - input.l0[1])
    return distance * this.context.zoom() <= REACH.firstVertex
  }

  /** Add a vertex unless it lies within `step` level-0 px of the last one, or on it. */
  private append(point: Position, step: number): void {
    const last = this.vertices.at(-1)
    const distance = last ? Math.hypot(last[0] - point[0], last[1] - point[1]) : Infinity
    if (distance > 0 && distance >= step) this.vertices.push([point[0], point[1]])
  }

  private finish(): void {
    const [first] = this.vertices
    if (!first || this.vertices.length < 3) return
    const ring = [...this.vertices, first]
    this.vertices = []
    this.context.interaction.draft.value = null
    this.context.interaction.selection.value = this.context.create({ type: 'Polygon', coordinates: [ring] })
  }

  private show(input: PointerInput | null): void {
    const { interaction } = this.context
    this.context.hover(null)
    if (this.vertices.length === 0) interaction.draft.value = null
    else {
      const cursor = input && input.device !== 'touch' ? input.l0 : null
      interaction.draft.value = { vertices: [...this.vertices], cursor, closing: input !== null && this.onFirst(input) }
    }
  }
}
