/** Stays current: which revision of the objects each place is shown at, and when that changes. */
import { signal } from '@preact/signals'
import { followSlide, type SlideChange } from '../api/events'
import { ChangeLog } from '../model/change-log'
import type { Box } from '../model/geometry'
import type { Present } from '../model/presence'

/** Changes that come close together are shown together. */
const GATHER_MS = 200

export class Live {
  /** Goes up whenever tiles are to be asked for anew; 0 until the first can be. */
  readonly edition = signal(0)
  /** The highest revision that the tiles of the edition can show. */
  readonly revision = signal(0)
  private readonly log = new ChangeLog(0)
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly slide: string) {}

  /** The slide is at this revision; when that is news, whatever is shown is asked for again. */
  begin(revision: number): void {
    const news = this.log.newest < revision || this.edition.peek() === 0
    this.log.note(revision, null)
    if (news) this.publish()
  }

  /** The highest revision that is known, shown or not yet. */
  get newest(): number {
    return this.log.newest
  }

  /** The revision at which a place is to be shown; places without a change keep theirs, and so their tiles. */
  revisionAt(box: Box): number {
    return this.log.revisionAt(box)
  }

  /** Objects within a box (null: nobody knows where) are new; answers the edition whose tiles show them. */
  note(revision: number, box: Box | null): number {
    this.log.note(revision, box)
    this.timer ??= setTimeout(() => this.publish(), GATHER_MS)
    return this.edition.peek() + 1
  }

  /**
   * Follow the slide until the answer is called. A page that nobody looks at holds no connection, of which a browser
   * has few for one server. `opened` is called whenever the connection stands: something may have been missed before.
   */
  follow(
    page: Document,
    changed: (change: SlideChange) => void,
    opened: () => void,
    here?: (items: readonly Present[]) => void,
  ): () => void {
    let stop: (() => void) | null = null
    const receive = (change: SlideChange): void => {
      // One's own saves are noted before their events come.
      if (this.isNews(change)) this.note(change.revision, change.box)
      changed(change)
    }
    const look = (): void => {
      if (page.hidden) stop?.()
      stop = page.hidden ? null : (stop ?? followSlide(this.slide, receive, opened, here))
    }
    look()
    page.addEventListener('visibilitychange', look)
    return () => {
      page.removeEventListener('visibilitychange', look)
      stop?.()
    }
  }

  dispose(): void {
    clearTimeout(this.timer)
  }

  private isNews({ revision, box }: SlideChange): boolean {
    return box === null ? revision > this.log.newest : revision > this.log.revisionAt(box)
  }

  private publish(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.revision.value = this.log.newest
    this.edition.value++
  }
}
