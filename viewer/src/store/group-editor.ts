/** Edits of many chosen objects: one request, one revision, one step to undo. */
import { signal } from '@preact/signals'
import { annotationsByNumber, type Edit, type EditResult, editAnnotations, MAX_EDITS } from '../api/annotations'
import { ApiError } from '../api/http'
import { classNameOf } from '../model/annotation-class'
import { formatCount } from '../model/format'
import type { Feature } from '../model/geojson'
import { type Box, boundsOf, unionOf } from '../model/geometry'
import type { Group } from '../model/picked'
import type { Editor } from './editor'
import type { Live } from './live'
import type { SaveQueue } from './queue'
import type { GroupChange } from './undo'

/** Numbers of one question: their address stays well under what servers take. */
const NUMBERS_AT_ONCE = 500

type Action = GroupChange['action']

interface Known {
  readonly revision: number
  readonly box: Box
}

export class GroupEditor {
  /** Whether an edit of many is under way; the next one has to wait. */
  readonly busy = signal(false)
  /** What is known of objects that were edited together, by id. */
  private readonly known = new Map<string, Known>()

  constructor(
    private readonly slide: string,
    private readonly editor: Editor,
    private readonly queue: SaveQueue,
    private readonly live: Live,
  ) {
    editor.repeatGroup = async (change) => {
      // Null: it was not tried, or there was no answer.
      const done = await this.alone(
        () => this.carryOut(change),
        `${change.back ? 'Undo' : 'Redo'} of many objects needs the server, so nothing has changed yet: try it again later.`,
      )
      return done !== 0
    }
  }

  /** Give all objects of a group a class (null: none), or delete them; answers how many that was done to. */
  async edit(group: Group, action: Action): Promise<number> {
    if (group.numbers.length > MAX_EDITS) {
      const [chosen, most] = [group.numbers.length, MAX_EDITS].map(formatCount)
      this.editor.notice.value = `${chosen} objects are selected; at most ${most} are changed at once.`
      return 0
    }
    return this.alone(async () => {
      // What waits to be saved first: this edit is based on it.
      await this.queue.flush()
      const features = (await this.load(group.numbers)).filter((feature) => isToChange(feature, action))
      for (const feature of features) this.learn(feature)
      const members = features.map((feature) => ({ id: feature.id, className: classNameOf(feature) }))
      const done = await this.carryOut({ members, action, back: false })
      if (done.members.length > 0) this.editor.undoStack.push(done)
      return done.members.length
    })
  }

  /** Bring deleted objects back, of which the deletion's revision is known; answers how many that was done to. */
  async bringBack(ids: readonly string[], revision: number, box: Box): Promise<number> {
    const back = await this.alone(async () => {
      for (const id of ids) this.known.set(id, { revision, box })
      const members = ids.map((id) => ({ id, className: null }))
      const done = await this.carryOut({ members, action: 'delete', back: true })
      if (done.members.length > 0) this.editor.undoStack.push(done)
      return done.members.length
    })
    return back
  }

  private async load(numbers: readonly number[]): Promise<Feature[]> {
    const features: Feature[] = []
    for (let from = 0; from < numbers.length; from += NUMBERS_AT_ONCE) {
      features.push(...(await annotationsByNumber(this.slide, numbers.slice(from, from + NUMBERS_AT_ONCE))))
    }
    return features
  }

  /** Carry a change out, or back; answers the part of it that was done. */
  private async carryOut(change: GroupChange): Promise<GroupChange> {
    const members = change.members.filter(({ id }) => this.known.has(id))
    if (members.length === 0) return { ...change, members: [] }
    const results = await editAnnotations(
      this.slide,
      members.map((member) => editOf(member, change, this.known.get(member.id)?.revision ?? 0)),
    )
    const done = members.filter((_, at) => results[at]?.result === 'done')
    this.settle(members, results)
    const left = members.length - done.length
    if (left > 0) {
      this.editor.notice.value = `${formatCount(left)} of ${formatCount(members.length)} objects stay as they are: somebody else has changed them meanwhile.`
    }
    return { ...change, members: done }
  }

  private settle(members: GroupChange['members'], results: readonly EditResult[]): void {
    const boxes: Box[] = []
    let revision = 0
    members.forEach(({ id }, at) => {
      const [known, result] = [this.known.get(id), results[at]]
      if (!known || result?.result !== 'done' || result.revision === null) return
      this.known.set(id, { ...known, revision: result.revision })
      this.queue.learn(id, result.revision)
      boxes.push(known.box)
      revision = Math.max(revision, result.revision)
    })
    if (boxes.length > 0) this.live.note(revision, unionOf(boxes))
  }

  private learn(feature: Feature): void {
    const revision = feature.properties.revision ?? 0
    this.known.set(feature.id, { revision, box: boundsOf(feature.geometry) })
  }

  /** Do something unless another edit of many is under way; what goes wrong is said. */
  private async alone<T>(work: () => Promise<T>, instead = 'The selected objects stay as they are.'): Promise<T | 0> {
    if (this.busy.peek()) {
      this.editor.notice.value = 'Many objects are being changed just now: try it again in a moment.'
      return 0
    }
    this.busy.value = true
    try {
      return await work()
    } catch (error) {
      const reason = error instanceof ApiError ? error.detail : 'The server cannot be reached.'
      this.editor.notice.value = `${instead} ${reason}`
      return 0
    } finally {
      this.busy.value = false
    }
  }
}

function isToChange(feature: Feature, action: Action): boolean {
  if (feature.properties.isLocked === true) return false
  return action === 'delete' || classNameOf(feature) !== action.className
}

function editOf(
  { id, className }: GroupChange['members'][number],
  { action, back }: GroupChange,
  revision: number,
): Edit {
  if (action === 'delete') return { id, revision, delete: !back }
  return { id, revision, class: back ? className : action.className }
}
