/** A viewer without a browser: tools, selection and objects, driven by pointer scripts in screen pixels. */
import type { Feature, Geometry, Position } from '../src/model/geojson'
import { type Picked, pickedOf } from '../src/model/picked'
import type { PointerInput } from '../src/model/pointer'
import { toL0, type View } from '../src/model/view'
import { AnnotationStore } from '../src/store/annotations'
import { Interaction, type ToolId } from '../src/store/interaction'
import type { Place, ViewerContext } from '../src/tools/tool'
import { Toolbox } from '../src/tools/toolbox'

type Modifiers = Partial<Pick<PointerInput, 'alt' | 'shift' | 'ctrl' | 'device' | 'clicks'>>

export class TestViewer {
  /** 1,000 x 800 screen pixels at half size, turned a little, so that frames cannot be mixed up unseen. */
  readonly view: View = { x: 3000, y: 2000, zoom: 0.5, rotation: 0.3, width: 1000, height: 800 }
  readonly interaction = new Interaction()
  readonly objects = new AnnotationStore()
  readonly toolbox: Toolbox
  /** Every object as it was made or reshaped, in order. */
  readonly writes: Geometry[] = []
  /** Every ring that objects were to be selected in. */
  readonly rings: (readonly Position[])[] = []
  private readonly locked = new Set<string>()

  constructor(tool: ToolId) {
    this.interaction.tool.value = tool
    const context: ViewerContext = {
      interaction: this.interaction,
      zoom: () => this.view.zoom,
      get: (id) => this.objects.get(id),
      hover: (place) => {
        this.interaction.hover.value = place && this.at(place)
      },
      select: (place) => {
        this.interaction.selection.value = this.at(place)?.id ?? null
      },
      selectWithin: (ring) => void this.rings.push(ring),
      mayEdit: ({ id }) => !this.locked.has(id),
      create: (geometry) => this.write(`new-${this.writes.length}`, geometry),
      reshape: (id, geometry) => void this.write(id, geometry),
    }
    this.toolbox = new Toolbox(context)
  }

  add(id: string, geometry: Geometry): Feature {
    const feature: Feature = { type: 'Feature', id, geometry, properties: {} }
    this.objects.set(feature)
    return feature
  }

  lock(id: string): void {
    this.locked.add(id)
  }

  l0(px: number, py: number): readonly [number, number] {
    return toL0(this.view, [px, py])
  }

  input(px: number, py: number, more: Modifiers = {}): PointerInput {
    const l0 = this.l0(px, py)
    const defaults = { device: 'mouse', shift: false, alt: false, ctrl: false, clicks: 1 } as const
    return { screen: [px, py], l0, trail: [l0], ...defaults, ...more }
  }

  /** Press and release; a press that is not taken becomes a click, as on the canvas. */
  click(px: number, py: number, more: Modifiers = {}): this {
    const input = this.input(px, py, more)
    if (this.toolbox.down(input)) this.toolbox.up(input)
    else this.toolbox.click(input)
    return this
  }

  doubleClick(px: number, py: number): this {
    return this.click(px, py).click(px, py, { clicks: 2 })
  }

  hover(px: number, py: number): this {
    this.toolbox.hover(this.input(px, py))
    return this
  }

  /** Press at the first point, move over the others, release at the last. */
  drag(points: readonly (readonly [number, number])[], more: Modifiers & { broken?: boolean } = {}): boolean {
    const inputs = points.map(([px, py]) => this.input(px, py, more))
    const [start, ...rest] = inputs
    const end = inputs.at(-1)
    if (!start || !end || !this.toolbox.down(start)) return false
    for (const input of rest) this.toolbox.drag(input)
    if (more.broken) this.toolbox.cancel()
    else this.toolbox.up(end)
    return true
  }

  private at({ p, reach }: Place): Picked | null {
    const feature = this.objects.hit(p, reach, () => true)
    return feature && pickedOf(feature)
  }

  private write(id: string, geometry: Geometry): string {
    this.writes.push(geometry)
    this.add(id, geometry)
    return id
  }
}
