/** What the reader is doing: tool, draft, selection, what is shown. Tools write it, canvas and panels read it. */
import { computed, signal } from '@preact/signals'
import type { Geometry, Position } from '../model/geojson'
import type { Group, Picked } from '../model/picked'

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

function toggled(names: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const changed = new Set(names)
  if (!changed.delete(name)) changed.add(name)
  return changed
}

/** Somebody else has changed the selected object. */
export interface Overtaken {
  readonly id: string
  readonly author: string
  readonly revision: number
  /** It is deleted. */
  readonly isGone: boolean
}

export class Interaction {
  readonly tool = signal<ToolId>('move')
  readonly spaceHeld = signal(false)
  readonly draft = signal<Draft | null>(null)
  readonly reshape = signal<Reshape | null>(null)
  readonly handle = signal<ActiveHandle | null>(null)
  readonly selection = signal<string | null>(null)
  /** What was just selected, as its tile has it, until the object itself has come. */
  readonly preview = signal<Picked | null>(null)
  readonly overtaken = signal<Overtaken | null>(null)
  /** Many objects that were chosen together; with one alone it is the selection. */
  readonly group = signal<Group | null>(null)
  /** The box that is being drawn around objects, as a ring in level-0 pixels. */
  readonly band = signal<readonly Position[] | null>(null)
  readonly hover = signal<Picked | null>(null)
  /** Name of the class that new objects get; null: none. */
  readonly activeClass = signal<string | null>(null)
  readonly hiddenLayers = signal<ReadonlySet<string>>(new Set())
  /** Names of the classes that are not shown; '' stands for none. */
  readonly hiddenClasses = signal<ReadonlySet<string>>(new Set())
  /** How strongly objects are drawn, 0 to 1. */
  readonly opacity = signal(1)
  readonly showObjects = signal(true)
  readonly fillObjects = signal(true)

  /** The tool that answers the pointer now: Space lends the move tool. */
  readonly effectiveTool = computed<ToolId>(() => (this.spaceHeld.value ? 'move' : this.tool.value))

  toggleLayer(name: string): void {
    this.hiddenLayers.value = toggled(this.hiddenLayers.peek(), name)
  }

  /** Show or hide a class; null: objects without one. */
  toggleClass(name: string | null): void {
    this.hiddenClasses.value = toggled(this.hiddenClasses.peek(), name ?? '')
  }
}
