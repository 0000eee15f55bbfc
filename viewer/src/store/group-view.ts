/** Changes of many as they are shown before the tiles have them: other classes, no object where one is deleted. */
import { computed, signal } from '@preact/signals'
import { type GroupAction, type GroupMember, type Wanted, wantedOf } from '../model/group-edit'
import type { ObjectStyle, Reclassed } from '../model/object-style'
import type { ClassCount } from '../model/picked'

interface Shown {
  readonly id: string
  readonly action: GroupAction
  readonly isBack: boolean
  readonly members: readonly GroupMember[]
  /** The edition whose tiles have it; null: it is not saved yet. */
  readonly savedAt: number | null
}

/** Objects that tiles have and that are not there any more, and those with another class by now. */
export type Behind = Pick<ObjectStyle, 'gone' | 'reclassed'>

type What = Pick<Shown, 'action' | 'isBack' | 'members'>

/** The same lists each time: tiles are painted anew only for other ones. */
const NOBODY: readonly number[] = []
const NOTHING: readonly Reclassed[] = []

/** What a change of one member does to the counts. */
function differenceOf(member: GroupMember, { action, isBack }: What): ClassCount[] {
  const { className, layer } = member
  const wanted = wantedOf(member, action, isBack)
  if ('isDeleted' in wanted) return [{ className, layer, count: wanted.isDeleted ? -1 : 1 }]
  if (!('className' in wanted)) return []
  const before = isBack && action !== 'delete' && 'className' in action ? action.className : className
  return [
    { className: before, layer, count: -1 },
    { className: wanted.className, layer, count: 1 },
  ]
}

export class GroupView {
  readonly changes = signal<readonly Shown[]>([])
  private last: Behind & { readonly changes: readonly Shown[] | null; readonly edition: number } = {
    ...{ changes: null, edition: 0 },
    ...{ gone: NOBODY, reclassed: NOTHING },
  }

  show(id: string, { action, isBack, members }: What): void {
    this.changes.value = [...this.changes.peek(), { id, action, isBack, members, savedAt: null }]
  }

  /** It is saved, as far as `what` tells, and tiles from an edition on have it. */
  saved(id: string, { action, isBack, members }: What, savedAt: number): void {
    const now = { id, action, isBack, members, savedAt }
    const before = this.changes.peek()
    // It keeps its place: those that came later are on top of it.
    const isNew = before.every((each) => each.id !== id)
    this.changes.value = isNew ? [...before, now] : before.map((each) => (each.id === id ? now : each))
  }

  drop(id: string): void {
    this.changes.value = this.changes.peek().filter((each) => each.id !== id)
  }

  /** Tiles of an edition are on the screen. */
  settle(edition: number): void {
    const left = this.changes.peek().filter(({ savedAt }) => savedAt === null || savedAt > edition)
    if (left.length < this.changes.peek().length) this.changes.value = left
  }

  /** How tiles of an edition differ; the same lists as long as that is the same. */
  behindOf(edition: number): Behind {
    const changes = this.changes.value
    if (this.last.changes !== changes || this.last.edition !== edition) {
      this.last = { changes, edition, gone: this.gone(edition), reclassed: this.reclassed(edition) }
    }
    return this.last
  }

  /** What an object is by now, as far as that differs from what the server has told; undefined: nothing does. */
  readonly now = computed<ReadonlyMap<number, Wanted>>(() => {
    const waiting = this.changes.value.filter(({ savedAt }) => savedAt === null)
    return new Map(
      waiting.flatMap(({ action, isBack, members }) =>
        members.flatMap((member) =>
          member.number === null ? [] : [[member.number, wantedOf(member, action, isBack)] as const],
        ),
      ),
    )
  })

  private gone(edition: number): readonly number[] {
    const hidden = new Set<number>()
    for (const { action, isBack, members } of this.behind(edition)) {
      if (action !== 'delete') continue
      for (const { number } of members) {
        if (number === null) continue
        if (isBack) hidden.delete(number)
        else hidden.add(number)
      }
    }
    return hidden.size === 0 ? NOBODY : [...hidden]
  }

  private reclassed(edition: number): readonly Reclassed[] {
    const found: Reclassed[] = []
    for (const { action, isBack, members } of this.behind(edition)) {
      const byClass = new Map<string | null, number[]>()
      for (const member of members) {
        const wanted = wantedOf(member, action, isBack)
        if (!('className' in wanted) || member.number === null) continue
        const numbers = byClass.get(wanted.className)
        if (numbers) numbers.push(member.number)
        else byClass.set(wanted.className, [member.number])
      }
      for (const [className, numbers] of byClass) found.push({ numbers, className })
    }
    return found.length === 0 ? NOTHING : found
  }

  /** By how much counts of an edition are off; `skip` names those that somebody else counts. */
  difference(edition: number, skip: ReadonlySet<number>): ClassCount[] {
    return this.behind(edition).flatMap((shown) =>
      // Of what is known by its id alone it is not known what it was.
      shown.members.flatMap((member) =>
        member.number === null || skip.has(member.number) ? [] : differenceOf(member, shown),
      ),
    )
  }

  private behind(edition: number): readonly Shown[] {
    return this.changes.value.filter(({ savedAt }) => savedAt === null || savedAt > edition)
  }
}
