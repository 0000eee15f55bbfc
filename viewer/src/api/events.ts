/** What the server tells of a slide by itself. */
import type { Box } from '../model/geometry'
import { type Present, parsePresence } from '../model/presence'

/** Objects of the slide have changed. */
export interface SlideChange {
  readonly revision: number
  readonly author: string
  /** Which ones; absent when they are too many to be named. */
  readonly ids: readonly string[] | null
  readonly count: number
  /** Whether they are deleted, by themselves or with their layer. */
  readonly isDeletion?: boolean
  /** Where, in level-0 pixels, both before and after the change; null: nobody knows. */
  readonly box: Box | null
}

/** A box as the server writes it; null when it names none. */
export function boxOf(value: unknown): Box | null {
  const numbers = Array.isArray(value) && value.length === 4 && value.every((part) => Number.isFinite(part))
  return numbers ? (value as unknown as Box) : null
}

/** Read the data of a `changed` event; null when it makes no sense. */
export function parseChange(text: string): SlideChange | null {
  try {
    const { revision, author, ids, count, box, kind } = JSON.parse(text) as Record<string, unknown>
    if (typeof revision !== 'number') return null
    return {
      revision,
      author: typeof author === 'string' ? author : '',
      ids: Array.isArray(ids) ? ids.map(String) : null,
      count: typeof count === 'number' ? count : 0,
      isDeletion: kind === 'deleted' || kind === 'removed',
      box: boxOf(box),
    }
  } catch {
    return null
  }
}

/**
 * Listen to a slide's changes; answers how to stop. The browser connects again by itself when the line breaks. `opened`
 * is called each time that it stands: what has happened before is not told by itself. `here` is told who looks at the
 * slide whenever that changes.
 */
export function followSlide(
  slide: string,
  changed: (change: SlideChange) => void,
  opened: () => void,
  here: (items: readonly Present[]) => void = () => undefined,
): () => void {
  const source = new EventSource(`/api/slides/${encodeURIComponent(slide)}/events`)
  source.addEventListener('open', opened)
  source.addEventListener('changed', ({ data }) => {
    const change = parseChange(String(data))
    if (change) changed(change)
  })
  source.addEventListener('presence', ({ data }) => here(parsePresence(String(data))))
  return () => source.close()
}
