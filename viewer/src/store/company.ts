/** Who else looks at the slide, where, and what they have just changed. */
import { computed, effect, signal } from '@preact/signals'
import type { SlideChange } from '../api/events'
import { putPresence } from '../api/presence'
import type { Box } from '../model/geometry'
import { unionOf } from '../model/geometry'
import type { Present } from '../model/presence'
import { newUuid } from '../model/uuid'
import { degreesOf, type View } from '../model/view'

/** A view that moves is told this often; one that rests is renewed well before it is forgotten, after 10 s. */
const MOVING_MS = 500
const RESTING_MS = 4000
/** Changes of one author within this time are told as one. */
const TOLD_MS = 8000
/** The places of so many revisions are remembered. */
const REMEMBERED = 64

/** Here a page leaves the name of its viewer to the one that follows it in the same tab, such as after a reload. */
const LEFT = 'pathserve viewer'

/** What somebody else has just changed. */
export interface News {
  readonly author: string
  readonly count: number
}

export class Company {
  readonly client = newUuid().replaceAll('-', '').slice(0, 16)
  /** Everybody else who looks at the slide. */
  readonly others = signal<readonly Present[]>([])
  /** Their accounts, each once; the reader's own when it is open elsewhere too. */
  readonly accounts = computed(() => [...new Set(this.others.value.map(({ account }) => account))].sort())
  readonly news = signal<News | null>(null)
  private readonly places = new Map<number, readonly Box[]>()
  /** The viewer that was in this tab before: the server forgets it only after a while. */
  private readonly former: string | null
  private forget: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly slide: string,
    private readonly user: string,
    private readonly tab: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null = null,
  ) {
    this.former = tab?.getItem(LEFT) ?? null
    tab?.removeItem(LEFT)
  }

  /** The server has told who is here. */
  tell(items: readonly Present[]): void {
    this.others.value = items.filter(({ client }) => client !== this.client && client !== this.former)
  }

  /** Somebody has changed objects. */
  note({ author, count, revision, box }: SlideChange): void {
    if (box) {
      this.places.set(revision, [...(this.places.get(revision) ?? []), box])
      const [oldest] = this.places.keys()
      if (this.places.size > REMEMBERED && oldest !== undefined) this.places.delete(oldest)
    }
    if (author === this.user || author === '') return
    const before = this.news.peek()
    this.news.value = { author, count: Math.max(1, count) + (before?.author === author ? before.count : 0) }
    clearTimeout(this.forget)
    this.forget = setTimeout(() => {
      this.news.value = null
    }, TOLD_MS)
  }

  /** Where a revision has changed something; null when it was not told. */
  placeOf(revision: number): Box | null {
    const boxes = this.places.get(revision)
    return boxes ? unionOf(boxes) : null
  }

  /** Tell the others where this viewer looks until the answer is called; a page that nobody looks at says nothing. */
  announce(view: { readonly value: View | null; peek(): View | null }, page: Document): () => void {
    let [last, saying] = [Number.NEGATIVE_INFINITY, false]
    let timer: ReturnType<typeof setTimeout> | undefined
    const say = async (): Promise<void> => {
      const now = view.peek()
      // What was put off while an answer was awaited may come too soon after it.
      const pause = saying ? MOVING_MS : last + MOVING_MS - Date.now()
      timer = setTimeout(() => void say(), pause > 0 ? pause : RESTING_MS)
      if (!now || page.hidden || !navigator.onLine || pause > 0) return
      // The server wants a pause between two: on a slow line they would arrive together.
      saying = true
      await putPresence(this.slide, seenIn(now, this.client))
      saying = false
      last = Date.now()
    }
    const stop = effect(() => {
      if (!view.value) return
      clearTimeout(timer)
      timer = setTimeout(() => void say(), Math.max(0, last + MOVING_MS - Date.now()))
    })
    const leave = (): void => this.tab?.setItem(LEFT, this.client)
    page.defaultView?.addEventListener('pagehide', leave)
    return () => {
      stop()
      leave()
      page.defaultView?.removeEventListener('pagehide', leave)
      clearTimeout(timer)
      clearTimeout(this.forget)
    }
  }
}

function seenIn({ x, y, zoom, rotation, width, height }: View, client: string): Omit<Present, 'account'> {
  const [wide, high] = [Math.max(1, width / zoom), Math.max(1, height / zoom)]
  return { client, x: x - wide / 2, y: y - high / 2, width: wide, height: high, rotation: degreesOf(rotation) }
}

/** The storage of this tab; null where the browser forbids it. */
export function tabStorage(): Storage | null {
  try {
    return window.sessionStorage ?? null
  } catch {
    return null
  }
}
