/** Undo and redo as inverse operations: each change knows the object before and after it. */
import { signal } from '@preact/signals'
import type { Feature } from '../model/geojson'
import type { Box } from '../model/geometry'
import type { GroupAction, GroupMember } from '../model/group-edit'

/** One object's change; null stands for "does not exist". */
export interface Change {
  readonly id: string
  readonly before: Feature | null
  readonly after: Feature | null
}

/** What one step that changes many objects is about; undo and redo go on with what the step before has left. */
export class GroupWork {
  /** Changes in the save queue that are not at an end, the latest last. */
  ops: string[] = []
  /** Where it is, as far as that is known. */
  box: Box | null = null

  constructor(public members: readonly GroupMember[]) {}
}

/** The same change of many objects as one step. */
export interface GroupChange {
  readonly work: GroupWork
  readonly action: GroupAction
  /** Whether it is taken back. */
  readonly isBack: boolean
}

export type Step = Change | GroupChange

/** Enough for a long session; the oldest go first. */
const LIMIT = 1000

function inverseOf(step: Step): Step {
  if ('work' in step) return { ...step, isBack: !step.isBack }
  return { id: step.id, before: step.after, after: step.before }
}

/** Take an object out of a step; false when nothing is left of it. */
function goesOnWithout(step: Step, id: string): boolean {
  if (!('work' in step)) return step.id !== id
  step.work.members = step.work.members.filter((member) => member.id !== id)
  return step.work.members.length > 0
}

export class UndoStack {
  readonly depth = signal(0)
  readonly redoDepth = signal(0)
  private done: Step[] = []
  private undone: Step[] = []

  /** A change has just been made. */
  push(change: Step): void {
    this.done.push(change)
    if (this.done.length > LIMIT) this.done.shift()
    this.undone = []
    this.tell()
  }

  /** Take the last change back: the inverse, to be carried out like any other change. */
  undo(): Step | null {
    const change = this.done.pop()
    if (!change) return null
    this.undone.push(change)
    this.tell()
    return inverseOf(change)
  }

  redo(): Step | null {
    const change = this.undone.pop()
    if (!change) return null
    this.done.push(change)
    this.tell()
    return change
  }

  /** Forget an object: somebody else's version of it was taken. */
  forget(id: string): void {
    this.keep((step) => goesOnWithout(step, id))
  }

  /** The reader keeps an object against somebody else's form of it: that is one step, and what it takes back is theirs. */
  overrule(change: Change): void {
    this.forget(change.id)
    this.push(change)
  }

  /** Forget a step of which nothing was done. */
  drop(work: GroupWork): void {
    this.keep((step) => !('work' in step) || step.work !== work)
  }

  /** A step was to be taken back, or done again, and nothing came of it: it can be tried again. */
  putBack(work: GroupWork, isBack: boolean): void {
    const isOfWork = (step: Step): boolean => 'work' in step && step.work === work
    const [undone, redone] = [this.undone.find(isOfWork), this.done.find(isOfWork)]
    if (undone && 'work' in undone && undone.isBack !== isBack) {
      this.undone = this.undone.filter((step) => step !== undone)
      this.done.push(undone)
    } else if (redone && 'work' in redone && redone.isBack === isBack) {
      this.done = this.done.filter((step) => step !== redone)
      this.undone.push(redone)
    }
    this.tell()
  }

  private keep(which: (step: Step) => boolean): void {
    this.done = this.done.filter(which)
    this.undone = this.undone.filter(which)
    this.tell()
  }

  private tell(): void {
    this.depth.value = this.done.length
    this.redoDepth.value = this.undone.length
  }
}
