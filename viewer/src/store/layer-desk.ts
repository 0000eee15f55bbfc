/** What a reader does to layers as a whole: make one, draw into it, rename it, take it away and bring it back. */
import { signal } from '@preact/signals'
import { ApiError } from '../api/http'
import { makeLayer, removeLayer, renameLayer, restoreLayer } from '../api/layers'
import type { LayerInfo, LayerKind } from '../model/annotation-class'
import type { Interaction } from './interaction'

export interface LayerParts {
  readonly slide: string
  readonly layers: { value: readonly LayerInfo[]; peek(): readonly LayerInfo[] }
  readonly interaction: Interaction
  /** Which layer new objects go to; null: the reader's own. */
  readonly target: { value: string | null; peek(): string | null }
}

export class LayerDesk {
  readonly problem = signal('')
  /** The layer that was taken away last, as long as that can be undone here. */
  readonly removed = signal<string | null>(null)

  /** The layer that was given another name last, until its new row has asked. */
  private renamed: string | null = null

  constructor(private readonly parts: LayerParts) {}

  /** Make an empty layer and draw into it. */
  make(name: string, kind: LayerKind): Promise<boolean> {
    return this.attempt(async () => {
      const made = await makeLayer(this.parts.slide, name, kind)
      this.parts.layers.value = [...this.parts.layers.peek().filter((layer) => layer.name !== made.name), made]
      this.drawInto(made.name)
    })
  }

  /** Let new objects go to a layer, and show it; null: to the reader's own. */
  drawInto(name: string | null): void {
    const { target, interaction } = this.parts
    target.value = name
    if (name !== null && interaction.hiddenLayers.peek().has(name)) interaction.toggleLayer(name)
  }

  rename(layer: string, name: string): Promise<boolean> {
    return this.attempt(async () => {
      const { layers, interaction, target, slide } = this.parts
      const made = await renameLayer(slide, layer, name)
      this.renamed = made.name
      layers.value = layers.peek().map((each) => (each.name === layer ? made : each))
      if (target.peek() === layer) target.value = made.name
      if (interaction.hiddenLayers.peek().has(layer)) {
        interaction.toggleLayer(layer)
        interaction.toggleLayer(made.name)
      }
    })
  }

  /** Whether a row is that of a layer just renamed, and takes the focus of the row before: told once. */
  takeRenamed(layer: string): boolean {
    if (this.renamed !== layer) return false
    this.renamed = null
    return true
  }

  /** Take a layer away with all that is on it. */
  remove(layer: string): Promise<boolean> {
    return this.attempt(async () => {
      const { layers, interaction, target, slide } = this.parts
      await removeLayer(slide, layer)
      layers.value = layers.peek().filter(({ name }) => name !== layer)
      if (target.peek() === layer) target.value = null
      interaction.selection.value = null
      interaction.group.value = null
      this.removed.value = layer
    })
  }

  /** Bring back what was taken away last. */
  restore(): Promise<boolean> {
    const layer = this.removed.peek()
    return this.attempt(async () => {
      if (layer !== null) await restoreLayer(this.parts.slide, layer)
    })
  }

  /** Do something; what goes wrong is said. Answers whether it went well. */
  private async attempt(work: () => Promise<void>): Promise<boolean> {
    this.problem.value = ''
    this.removed.value = null
    try {
      await work()
      return true
    } catch (error) {
      this.problem.value = error instanceof ApiError ? error.detail : 'The server cannot be reached.'
      return false
    }
  }
}
