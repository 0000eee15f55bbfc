/** Undo and redo as inverse operations: each change knows the object before and after it. */
import { signal } from '@preact/signals'
import type { Feature } from '../model/geojson'

/** One object's change; null stands for "does not exist". */
export interface Change {
  readonly id: string
  readonly before: Feature | null
  readonly after: Feature | null
}

/** The same change of many objects as one step. */
export interface GroupChange {
  /** The objects, and the class that each had; null: none. */
  readonly members: readonly { readonly id: string; readonly className: string | null }[]
  /** The class that all get, or that they are deleted. */
  readonly action: { readonly className: string | null } | 'delete'
  /** Whether it is taken back. */
  readonly back: boolean
}

export type Step = Change | GroupChange

/** Enough for a long session; the oldest go first. */
const LIMIT = 1000

function inverseOf(step: Step): Step {
  if ('members' in step) return { ...step, back: !step.back }
  return { id: step.id, before: step.after, after: step.before }
}

/** The step without an object; null when nothing is left of it. */
function without(step: Step, id: string): Step | null {
  if (!('members' in step)) return step.id === id ? null : step
  const members = step.members.filter((member) => member.id !== id)
  return members.length > 0 ? { ...step, members } : null
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

  /** Answers how to put the step that was just taken back onto the stack again, should that fail. */
  undoFailed(): () => void {
    return this.mover(this.undone, () => [this.undone, this.done])
  }

  /** The same for the step that was just made again. */
  redoFailed(): () => void {
    return this.mover(this.done, () => [this.done, this.undone])
  }

  /** Forget an object: somebody else's version of it was taken. */
  forget(id: string): void {
    const rest = (steps: readonly Step[]): Step[] => steps.flatMap((step) => without(step, id) ?? [])
    this.done = rest(this.done)
    this.undone = rest(this.undone)
    this.tell()
  }

  private mover(now: readonly Step[], stacks: () => readonly [Step[], Step[]]): () => void {
    const step = now.at(-1)
    return () => {
      const [from, to] = stacks()
      const at = step ? from.lastIndexOf(step) : -1
      // Whatever has been done meanwhile may have let it go.
      if (at >= 0) to.push(...from.splice(at, 1))
      this.tell()
    }
  }

  private tell(): void {
    this.depth.value = this.done.length
    this.redoDepth.value = this.undone.length
  }
}
