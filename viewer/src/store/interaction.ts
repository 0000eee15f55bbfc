/** What the reader is doing: tool, draft, selection, what is shown. Tools write it, canvas and panels read it. */
import { computed, signal } from '@preact/signals'
import type { Geometry, Position } from '../model/geojson'

export type ToolId = 'move' | 'select' | 'polygon'

/** A polygon in the making. */
export interface Draft {
  readonly vertices: readonly Position[]
  /** Where the next vertex would go; null while there is no pointer. */
  readonly cursor: Position | null
  /** The pointer is on the first vertex: a click closes the polygon. */
  readonly closing: boolean
}

/** An object being reshaped, as it would be if the pointer were lifted now. */
export interface Reshape {
  readonly id: string
  readonly geometry: Geometry
}

/** Which handle of the selected object is under the pointer. */
export interface ActiveHandle {
  readonly position: Position
  readonly kind: 'vertex' | 'edge'
}

export class Interaction {
  readonly tool = signal<ToolId>('move')
  readonly spaceHeld = signal(false)
  readonly draft = signal<Draft | null>(null)
  readonly reshape = signal<Reshape | null>(null)
  readonly handle = signal<ActiveHandle | null>(null)
  readonly selection = signal<string | null>(null)
  readonly hover = signal<string | null>(null)
  /** Name of the class that new objects get; null: none. */
  readonly activeClass = signal<string | null>(null)
  readonly hiddenLayers = signal<ReadonlySet<string>>(new Set())
  readonly showObjects = signal(true)
  readonly fillObjects = signal(true)

  /** The tool that answers the pointer now: Space lends the move tool. */
  readonly effectiveTool = computed<ToolId>(() => (this.spaceHeld.value ? 'move' : this.tool.value))

  toggleLayer(name: string): void {
    const hidden = new Set(this.hiddenLayers.peek())
    if (!hidden.delete(name)) hidden.add(name)
    this.hiddenLayers.value = hidden
  }
}
