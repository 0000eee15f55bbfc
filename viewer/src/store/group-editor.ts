/** Changes of many chosen objects: shown at once, kept by the save queue, and one step to undo each. */
import { effect } from '@preact/signals'
import { formatCount } from '../model/format'
import type { Box } from '../model/geometry'
import {
  actionText,
  type Fates,
  fatesOf,
  type GroupAction,
  type GroupMember,
  type LeftMember,
  type Wanted,
} from '../model/group-edit'
import type { Group } from '../model/picked'
import type { Editor } from './editor'
import { GroupView } from './group-view'
import type { Live } from './live'
import type { PendingGroup } from './pending'
import type { SaveQueue } from './queue'
import { type GroupChange, GroupWork } from './undo'

/** The most objects of one change; the server takes them in parts of 10,000. */
export const MOST_AT_ONCE = 50_000

/** What a member is that others have changed meanwhile. */
function keptFate({ number, className, isGone }: LeftMember): (readonly [number, Wanted])[] {
  return number === null ? [] : [[number, isGone ? { isDeleted: true } : { className }]]
}

export class GroupEditor {
  /** What is shown of changes that the tiles do not have yet. */
  readonly view = new GroupView()
  /** Which step of the reader each change in the queue belongs to. */
  private readonly works = new Map<string, GroupWork>()
  /** Those of them that take a step back, or do it again. */
  private readonly repeats = new Set<string>()
  private readonly waiters = new Map<string, (record: PendingGroup) => void>()
  /** Told what becomes of objects: at once, as the reader wants it, and again as the server has made it. */
  became: (fates: Fates) => void = () => undefined
  /** The notice that sends the reader to a conflict, and whose that is. */
  private asked: { readonly id: string; readonly text: string } | null = null

  constructor(
    private readonly editor: Editor,
    private readonly queue: SaveQueue,
    private readonly live: Live,
  ) {
    editor.repeatGroup = (change) => this.repeat(change)
    queue.groupEnded = (record) => this.ended(record)
    effect(() => this.withdraw(queue.groups.value))
  }

  /** Give all objects of a group a class or a state, or delete them; answers how many that is to be done to. */
  edit(group: Group, action: GroupAction): number {
    const members = group.numbers.map((number, at): GroupMember => {
      const [className, layer, seen] = [group.classNames[at] ?? null, group.layers[at] ?? '', group.seen[at] ?? 0]
      return { number, id: null, seen, className, state: null, layer }
    })
    const wanted = action !== 'delete' && 'className' in action ? action.className : undefined
    if (wanted !== undefined && members.every(({ className }) => className === wanted)) return 0
    if (members.length > MOST_AT_ONCE) {
      const [chosen, most] = [members.length, MOST_AT_ONCE].map(formatCount)
      this.editor.notice.value = `${chosen} objects are selected; at most ${most} are changed at once.`
      return 0
    }
    this.begin(new GroupWork(members), action, false)
    return members.length
  }

  /** Bring deleted objects back, of which the deletion's revision is known; answers how many are there again. */
  async bringBack(ids: readonly string[], revision: number, box: Box): Promise<number> {
    const lost = { number: null, className: null, state: null, layer: '', seen: revision }
    const work = new GroupWork(ids.map((id) => ({ ...lost, id })))
    work.box = box
    const id = this.begin(work, 'delete', true)
    const ended = new Promise<PendingGroup>((resolve) => this.waiters.set(id, resolve))
    const after = await Promise.race([ended, this.queue.flush().then(() => null)])
    if (!after && this.queue.groups.peek().has(id)) {
      this.editor.notice.value = 'The objects come back as soon as the server can be reached.'
      return 0
    }
    return (after ?? (await ended)).done.length
  }

  /** Show again what earlier visits, or other windows, have left. */
  restore(records: Iterable<PendingGroup> = this.queue.groups.peek().values()): void {
    for (const record of records) {
      if (record.status === 'waiting') this.view.show(record.id, record)
    }
  }

  private begin(work: GroupWork, action: GroupAction, isBack: boolean): string {
    const change: GroupChange = { work, action, isBack }
    this.editor.undoStack.push(change)
    return this.send(change)
  }

  private send({ work, action, isBack }: GroupChange): string {
    const undoes = work.ops.at(-1) ?? null
    const order = { action, isBack, members: work.members, undoes }
    this.showOrder(order)
    const id = this.queue.enqueueGroup(order)
    work.ops.push(id)
    this.works.set(id, work)
    this.view.show(id, order)
    return id
  }

  private showOrder(order: Pick<PendingGroup, 'members' | 'action' | 'isBack'>): void {
    this.editor.showGroup(order)
    this.became(fatesOf(order.members, order.action, order.isBack))
  }

  /** Take a change back, or make it again: what has not left yet simply never happens. */
  private repeat(change: GroupChange): void {
    const { work } = change
    const last = work.ops.at(-1)
    if (last !== undefined && this.queue.cancelGroup(last)) {
      work.ops.pop()
      this.works.delete(last)
      this.repeats.delete(last)
      this.view.drop(last)
      this.showOrder({ ...change, members: work.members })
    } else if (work.members.length > 0) this.repeats.add(this.send(change))
  }

  private ended(record: PendingGroup): void {
    const { id, done, action, isBack } = record
    const work = this.works.get(id)
    if (work && this.hasFailed(record, work)) {
      // Such as when a layer was removed: it may come back.
      work.ops = work.ops.filter((op) => op !== id)
      this.works.delete(id)
      this.editor.undoStack.putBack(work, isBack)
    } else if (work) {
      // What the reader has settled after a conflict comes to what was done at once.
      work.members = work.ops.includes(id) ? done : [...work.members, ...done]
      work.ops = work.ops.filter((op) => op !== id)
      if (record.status !== 'conflict') this.works.delete(id)
      if (work.members.length === 0 && work.ops.length === 0 && record.status !== 'conflict') {
        this.editor.undoStack.drop(work)
      }
    }
    const revision = done.reduce((most, { seen }) => Math.max(most, seen), 0)
    if (done.length === 0) this.view.drop(id)
    else
      this.view.saved(id, { action, isBack, members: done }, this.live.note(revision, record.box ?? work?.box ?? null))
    this.tellFates(record)
    this.tell(record)
    this.waiters.get(id)?.(record)
    this.waiters.delete(id)
    this.repeats.delete(id)
  }

  /** Tell what has come to be; what changes that still wait make of an object is told already. */
  private tellFates({ done, left, action, isBack }: PendingGroup): void {
    const waiting = this.view.now.peek()
    const fates = [...fatesOf(done, action, isBack), ...left.flatMap(keptFate)]
    this.became(new Map(fates.filter(([number]) => !waiting.has(number))))
  }

  /** Whether nothing came of taking a step back, or of doing it again, since all its objects are gone or locked. */
  private hasFailed({ id, done, left, locked, status }: PendingGroup, work: GroupWork): boolean {
    if (status === 'conflict' || done.length > 0 || left.length + locked === 0) return false
    return this.repeats.has(id) && work.ops.includes(id)
  }

  /** Say what has not become of a change. */
  private tell({ id, done, left, locked, status, reason, action, isBack }: PendingGroup): void {
    const all = done.length + left.length + locked
    const parts: string[] = []
    if (reason !== '') parts.push(`${actionText(action, isBack)}: ${reason}`)
    const gone = left.filter(({ isGone }) => isGone).length
    const changed = left.length - gone
    if (changed > 0) parts.push(`others have changed ${formatCount(changed)} meanwhile`)
    if (gone > 0) parts.push(`${formatCount(gone)} ${gone === 1 ? 'has' : 'have'} been deleted meanwhile`)
    if (locked > 0) parts.push(`${formatCount(locked)} ${locked === 1 ? 'is' : 'are'} locked`)
    if (parts.length === 0) return
    const how = status === 'conflict' && reason === '' ? ' The button “Conflict” above shows them.' : ''
    const text =
      reason === ''
        ? `${formatCount(left.length + locked)} of ${formatCount(all)} objects stay as they are: ${parts.join('; ')}.${how}`
        : `Objects could not ${parts.join('; ')}`
    this.editor.notice.value = text
    if (status === 'conflict') this.asked = { id, text }
  }

  /** Take the notice of a conflict away once the reader has settled that. */
  private withdraw(groups: ReadonlyMap<string, PendingGroup>): void {
    if (!this.asked || groups.get(this.asked.id)?.status === 'conflict') return
    if (this.editor.notice.peek() === this.asked.text) this.editor.notice.value = ''
    this.asked = null
  }
}
