/** Undo and redo as inverse operations: each change knows the object before and after it. */
import { signal } from '@preact/signals'
import type { Feature } from '../model/geojson'

/** One object's change; null stands for "does not exist". */
export interface Change {
  readonly id: string
  readonly before: Feature | null
  readonly after: Feature | null
}

/** Enough for a long session; the oldest go first. */
const LIMIT = 1000

function inverseOf(change: Change): Change {
  return { id: change.id, before: change.after, after: change.before }
}

export class UndoStack {
  readonly depth = signal(0)
  readonly redoDepth = signal(0)
  private done: Change[] = []
  private undone: Change[] = []

  /** A change has just been made. */
  push(change: Change): void {
    this.done.push(change)
    if (this.done.length > LIMIT) this.done.shift()
    this.undone = []
    this.tell()
  }

  /** Take the last change back: the inverse, to be carried out like any other change. */
  undo(): Change | null {
    const change = this.done.pop()
    if (!change) return null
    this.undone.push(change)
    this.tell()
    return inverseOf(change)
  }

  redo(): Change | null {
    const change = this.undone.pop()
    if (!change) return null
    this.done.push(change)
    this.tell()
    return change
  }

  /** Forget an object: somebody else's version of it was taken. */
  forget(id: string): void {
    this.done = this.done.filter((change) => change.id !== id)
    this.undone = this.undone.filter((change) => change.id !== id)
    this.tell()
  }

  private tell(): void {
    this.depth.value = this.done.length
    this.redoDepth.value = this.undone.length
  }
}
