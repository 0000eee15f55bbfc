/** Select: click picks an object; the picked one's vertices can be moved, added on edges, and taken out with Alt. */
import { type Geometry, pathsOf } from '../model/geojson'
import type { PointerInput } from '../model/pointer'
import { deleteVertex, type EdgeHandle, type Handle, HandleIndex, insertVertex, moveVertex } from './handles'
import { MoveTool } from './move'
import { REACH, screenDistance } from './tool'

interface Stroke {
  readonly id: string
  readonly start: PointerInput
  /** The geometry that is reshaped; an edge has its new vertex once the pointer has moved. */
  readonly geometry: Geometry
  readonly handle: Handle
  readonly moved: boolean
}

export class SelectTool extends MoveTool {
  private stroke: Stroke | null = null
  private indexed: { geometry: Geometry; index: HandleIndex } | null = null

  override down(input: PointerInput): boolean {
    const target = this.editable()
    const handle = target && this.handleAt(target.geometry, input)
    if (!target || !handle) return super.down(input)
    if (input.alt) {
      const rest = handle.kind === 'vertex' ? deleteVertex(target.geometry, handle) : null
      if (rest) this.context.reshape(target.id, rest)
      return true
    }
    this.stroke = { id: target.id, start: input, geometry: target.geometry, handle, moved: false }
    return true
  }

  override drag(input: PointerInput): void {
    const stroke = this.stroke
    if (this.hasBand) super.drag(input)
    if (!stroke || (!stroke.moved && screenDistance(stroke.start, input) < REACH.dragStart)) return
    const begun = stroke.handle.kind === 'edge' ? this.withNewVertex(stroke, stroke.handle) : { ...stroke, moved: true }
    this.stroke = begun
    if (begun.handle.kind !== 'vertex') return
    const geometry = moveVertex(begun.geometry, begun.handle, input.l0)
    this.context.interaction.reshape.value = { id: begun.id, geometry }
    this.context.interaction.handle.value = { position: input.l0, kind: 'vertex' }
  }

  override up(input: PointerInput): void {
    if (this.hasBand) {
      super.up(input)
      return
    }
    this.drag(input)
    const reshape = this.context.interaction.reshape.peek()
    if (this.stroke?.moved && reshape) this.context.reshape(reshape.id, reshape.geometry)
    this.cancel()
  }

  override cancel(): void {
    super.cancel()
    this.stroke = null
    this.context.interaction.reshape.value = null
    this.context.interaction.handle.value = null
  }

  override hover(input: PointerInput | null): void {
    const { interaction } = this.context
    const target = input && this.editable()
    const handle = target && this.handleAt(target.geometry, input)
    const position = handle && pathsOf(target.geometry)[handle.path]?.positions[handle.index]
    if (input && handle && position) {
      interaction.handle.value = { kind: handle.kind, position: handle.kind === 'vertex' ? position : input.l0 }
      this.context.hover(null)
    } else {
      interaction.handle.value = null
      super.hover(input)
    }
  }

  override key(name: string): boolean {
    if (name === 'Escape' && this.stroke) {
      this.cancel()
      return true
    }
    return super.key(name)
  }

  private withNewVertex(stroke: Stroke, edge: EdgeHandle): Stroke {
    const geometry = insertVertex(stroke.geometry, edge, stroke.start.l0)
    return { ...stroke, geometry, handle: { kind: 'vertex', path: edge.path, index: edge.index + 1 }, moved: true }
  }

  private editable(): { id: string; geometry: Geometry } | null {
    const id = this.context.interaction.selection.peek()
    const feature = id === null ? undefined : this.context.get(id)
    return feature && this.context.mayEdit(feature) ? feature : null
  }

  private handleAt(geometry: Geometry, input: PointerInput): Handle | null {
    if (this.indexed?.geometry !== geometry) this.indexed = { geometry, index: new HandleIndex(geometry) }
    const zoom = this.context.zoom()
    return this.indexed.index.at(input.l0, REACH.vertex / zoom, REACH.edge / zoom)
  }
}
