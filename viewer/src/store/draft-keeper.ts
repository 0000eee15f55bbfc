/** Keeps the polygon in the making in the tab's own storage, so that a reload or a crash does not lose it. */
import { effect } from '@preact/signals'
import type { Position } from '../model/geojson'
import type { Interaction } from './interaction'

/** A crash loses at most this much of a stroke. */
const EVERY_MS = 200

export class DraftKeeper {
  private readonly key: string

  constructor(
    user: string,
    slide: string,
    private readonly storage: Storage,
  ) {
    this.key = `pathserve draft ${user} ${slide}`
  }

  /** What was left unfinished; null when there is nothing, or nothing that can be read. */
  restore(): readonly Position[] | null {
    try {
      const vertices: unknown = JSON.parse(this.storage.getItem(this.key) ?? 'null')
      return Array.isArray(vertices) && vertices.length > 0 ? (vertices as Position[]) : null
    } catch {
      return null
    }
  }

  /** Follow the draft, at most a moment behind; answers how to stop. */
  follow(interaction: Interaction): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined
    const keep = (): void => {
      clearTimeout(timer)
      timer = undefined
      this.keep(interaction)
    }
    const stop = effect(() => {
      void interaction.draft.value
      timer ??= setTimeout(keep, EVERY_MS)
    })
    return () => {
      stop()
      keep()
    }
  }

  /** Write the draft now. */
  keep(interaction: Interaction): void {
    const vertices = interaction.draft.peek()?.vertices
    try {
      if (vertices) this.storage.setItem(this.key, JSON.stringify(vertices))
      else this.storage.removeItem(this.key)
    } catch {
      // The storage is full or forbidden: the draft lives on in the page, as it would without this.
    }
  }
}
