/** What was deleted on the slide not long ago, and how it comes back. */
import { batch, signal } from '@preact/signals'
import { currentRevision } from '../api/annotations'
import { changesSince } from '../api/changes'
import { ApiError } from '../api/http'
import { listObjects } from '../api/objects'
import { type Deletion, deletionsOf } from '../model/deletions'
import type { Box } from '../model/geometry'
import type { GroupEditor } from './group-editor'

/** So many revisions are looked through at first, and more each time that the reader asks for it. */
const SPAN = 1000
/** The most objects that are told apart where the server names none. */
const MOST_COMPARED = 10_000
/** Where an object can be that nobody knows the place of: everywhere. */
const ANYWHERE: Box = [-1e9, -1e9, 1e9, 1e9]

export class Deletions {
  readonly items = signal<readonly Deletion[]>([])
  readonly state = signal<'loading' | 'ready' | 'failed'>('loading')
  readonly problem = signal('')
  /** The revision after which the items were deleted; 0: all there are. */
  readonly since = signal(0)
  private span = SPAN

  constructor(
    private readonly slide: string,
    private readonly groups: GroupEditor,
  ) {}

  async load(): Promise<void> {
    this.state.value = 'loading'
    try {
      const newest = await currentRevision(this.slide)
      const since = Math.max(0, newest - this.span)
      const changes = await changesSince(this.slide, since, newest)
      batch(() => {
        this.items.value = deletionsOf(changes)
        this.since.value = since
        this.state.value = 'ready'
      })
    } catch (error) {
      batch(() => {
        this.problem.value = error instanceof ApiError ? error.detail : 'The server cannot be reached.'
        this.state.value = 'failed'
      })
    }
  }

  /** Look further back. */
  async more(): Promise<void> {
    this.span *= 4
    await this.load()
  }

  /** Bring back what a deletion took; answers the objects that are there again. */
  async bringBack(deletion: Deletion): Promise<readonly string[]> {
    const ids = await this.idsOf(deletion).catch(() => null)
    if (ids === null) {
      this.problem.value = 'Too many objects to be brought back here: a program can do it through the HTTP interface.'
      return []
    }
    const count = await this.groups.bringBack(ids, deletion.revision, deletion.box ?? ANYWHERE)
    if (count > 0) await this.load()
    return count > 0 ? ids : []
  }

  /** Which objects a deletion took; where the server does not say so, those that were there before and not after. */
  private async idsOf({ ids, revision, layer, box }: Deletion): Promise<readonly string[] | null> {
    if (ids) return ids
    const at = async (asOf: number): Promise<readonly string[] | null> => {
      const query = new URLSearchParams({ as_of: String(asOf), layer })
      // The box is half-open.
      if (box) query.set('bbox', [box[0], box[1], box[2] + 1, box[3] + 1].join())
      const signal = new AbortController().signal
      const { features, next } = await listObjects(this.slide, query, { limit: MOST_COMPARED, signal })
      return next === null ? features.map(({ id }) => id) : null
    }
    const [before, after] = await Promise.all([at(revision - 1), at(revision)])
    if (!before || !after) return null
    const left = new Set(after)
    return before.filter((id) => !left.has(id))
  }
}
