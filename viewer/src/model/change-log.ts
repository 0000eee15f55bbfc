/** Which revision the objects of a place are at: changes elsewhere leave a tile as it is. */
import { type Box, boxesMeet } from './geometry'

/** Past this many changes all places count as changed. */
const MOST_CHANGES = 200

export class ChangeLog {
  private changes: { readonly revision: number; readonly box: Box }[] = []
  private last: number

  constructor(private base: number) {
    this.last = base
  }

  /** The highest revision that has been told. */
  get newest(): number {
    return this.last
  }

  /** The objects within `box` have changed; null: nobody knows where. Answers whether that was news. */
  note(revision: number, box: Box | null): boolean {
    const news = box === null ? revision > this.base : this.revisionAt(box) < revision
    if (!news) return false
    this.last = Math.max(this.last, revision)
    if (box === null) this.fold(revision)
    else this.changes.push({ revision, box })
    if (this.changes.length > MOST_CHANGES) this.fold(this.last)
    return true
  }

  /** The latest revision at which something within `box` has changed. */
  revisionAt(box: Box): number {
    let revision = this.base
    for (const change of this.changes) {
      if (change.revision > revision && boxesMeet(change.box, box)) revision = change.revision
    }
    return revision
  }

  private fold(revision: number): void {
    this.base = Math.max(this.base, revision)
    this.changes = this.changes.filter((change) => change.revision > this.base)
  }
}
