/** Every change of an object goes through here: shown at once, on the undo stack, in the save queue. */
import { signal } from '@preact/signals'
import type { AnnotationClass } from '../model/annotation-class'
import type { Feature, FeatureProperties, Geometry } from '../model/geojson'
import { type Wanted, wantedOf } from '../model/group-edit'
import { numberOf } from '../model/picked'
import { newUuid } from '../model/uuid'
import type { AnnotationStore } from './annotations'
import type { Pending } from './pending'
import type { Choice, GroupOrder, SaveQueue } from './queue'
import { Touched } from './touched'
import { type Change, type GroupChange, type Step, UndoStack } from './undo'

/** The object as a change of many leaves it; null: deleted. */
function withWanted(feature: Feature, wanted: Wanted): Feature | null {
  if ('isDeleted' in wanted) return wanted.isDeleted ? null : feature
  if ('state' in wanted) return { ...feature, properties: { ...feature.properties, state: wanted.state } }
  const classification = wanted.className === null ? null : { name: wanted.className }
  return { ...feature, properties: { ...feature.properties, classification } }
}

export class Editor {
  readonly undoStack = new UndoStack()
  /** What the server changed when it took an object in, in its own words; '' when there is nothing to tell. */
  readonly notice = signal('')
  /** Told when the other reader's form of an object was taken. */
  tookTheirs: (id: string, feature: Feature | null, revision: number) => void = () => undefined
  /** Carries out a change of many objects. */
  repeatGroup: (change: GroupChange) => void = () => undefined

  constructor(
    private readonly store: AnnotationStore,
    private readonly queue: SaveQueue,
    private readonly touched: Touched = new Touched(),
  ) {}

  /** Make an object on a layer (null: the reader's own); answers its id. */
  create(geometry: Geometry, annotationClass: AnnotationClass | null, layer: string | null = null): string {
    const id = newUuid()
    const classification = annotationClass && { name: annotationClass.name, color: annotationClass.color }
    const on = layer === null ? {} : { layer }
    const properties = { objectType: 'annotation', ...on, ...(classification ? { classification } : {}) }
    this.change({ id, before: null, after: { type: 'Feature', id, geometry, properties } })
    return id
  }

  reshape(id: string, geometry: Geometry): void {
    const before = this.store.get(id)
    if (before) this.change({ id, before, after: { ...before, geometry } })
  }

  /** Give the object a class, or none. */
  classify(id: string, annotationClass: AnnotationClass | null): void {
    const before = this.store.get(id)
    if (!before) return
    const { classification: _, ...rest } = before.properties
    const classification = annotationClass && { name: annotationClass.name, color: annotationClass.color }
    const properties = classification ? { ...rest, classification } : rest
    this.change({ id, before, after: { ...before, properties } })
  }

  /** Change members of the object's properties; undefined takes one away. */
  describe(id: string, members: Partial<FeatureProperties>): void {
    const before = this.store.get(id)
    if (!before) return
    const merged = { ...before.properties, ...members }
    const properties = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined))
    this.change({ id, before, after: { ...before, properties } })
  }

  /** Make the object what an earlier version of it was; its layer and number stay. */
  restore(feature: Feature): void {
    const before = this.store.get(feature.id)
    if (before) this.change({ id: feature.id, before, after: feature })
  }

  delete(id: string): void {
    const before = this.store.get(id)
    if (before) this.change({ id, before, after: null })
  }

  /** Take the last change back; answers the object that it was about. */
  undo(): string | null {
    return this.carryOut(this.undoStack.undo())
  }

  redo(): string | null {
    return this.carryOut(this.undoStack.redo())
  }

  /** Settle a conflict; `both` keeps theirs and makes the reader's own form a new object. */
  async resolve(record: Pending, choice: Choice | 'both'): Promise<void> {
    const mine = record.desired
    if (choice === 'both' && mine) {
      // In the queue before the conflict leaves it: at no moment is the reader's own form nowhere.
      const id = newUuid()
      this.change({ id, before: null, after: { ...mine, id } })
    }
    // The steps before knew nothing of theirs: taking them back would undo the other reader's work without a word.
    if (choice === 'mine' && record.theirs) {
      this.undoStack.overrule({ id: record.id, before: record.theirs.feature, after: mine })
    }
    const shown = await this.queue.resolve(record.id, choice === 'mine' ? 'mine' : 'theirs')
    this.show(record.id, shown)
    if (choice === 'mine') return
    this.undoStack.forget(record.id)
    if (record.theirs) this.tookTheirs(record.id, shown, record.theirs.revision)
  }

  /** Show objects that earlier visits, or other windows, have left in the queue as the reader wanted them. */
  overlay(records: readonly Pending[]): void {
    for (const record of records) {
      this.touched.begin(record.id, this.store.get(record.id) ?? null)
      this.show(record.id, record.desired)
    }
  }

  /** The server has the object now: show its form (it may have repaired the outline). */
  saved(id: string, feature: Feature | null, note: string): void {
    this.show(id, feature)
    if (note !== '') this.notice.value = note
  }

  /** Show a change of many in those of them that the page holds. */
  showGroup({ members, action, isBack }: Pick<GroupOrder, 'members' | 'action' | 'isBack'>): void {
    const held = this.store.features().filter(({ properties }) => properties.number !== undefined)
    if (held.length === 0) return
    const byNumber = new Map(members.map((member) => [member.number, member]))
    for (const feature of held) {
      const member = byNumber.get(numberOf(feature))
      if (member) this.show(feature.id, withWanted(feature, wantedOf(member, action, isBack)))
    }
  }

  private change(change: Change): void {
    this.undoStack.push(change)
    this.carryOut(change)
  }

  private carryOut(change: Step | null): string | null {
    if (!change) return null
    if ('work' in change) {
      this.repeatGroup(change)
      return null
    }
    this.touched.begin(change.id, this.store.get(change.id) ?? null)
    this.show(change.id, change.after)
    void this.queue.enqueue(change.id, change.after)
    return change.id
  }

  private show(id: string, feature: Feature | null): void {
    if (feature) this.store.set(feature)
    else this.store.remove(id)
  }
}
