/** Objects that the tiles do not show as they are: being edited, waiting to be saved, or saved after the tiles. */
import { signal } from '@preact/signals'
import { classNameOf } from '../model/annotation-class'
import type { Feature } from '../model/geojson'
import { type ClassCount, numberOf } from '../model/picked'

interface Touch {
  readonly number: number | null
  /** The object as tiles before the edition `savedAt` show it; null: not at all. */
  readonly before: Feature | null
  /** The object as newer ones show it, once it has been saved. */
  readonly saved: Feature | null
  readonly savedAt: number | null
  /** Whether there is an edit that is not saved yet. */
  readonly dirty: boolean
}

export class Touched {
  readonly touches = signal<ReadonlyMap<string, Touch>>(new Map())

  has(id: string): boolean {
    return this.touches.peek().has(id)
  }

  /** The object as the tiles have it, as far as that is known. */
  before(id: string): Feature | null {
    return this.touches.peek().get(id)?.before ?? null
  }

  /** An edit of an object begins; `before` is what the server has, as far as that is known. */
  begin(id: string, before: Feature | null): void {
    const old = this.touches.peek().get(id)
    const number = before && numberOf(before)
    this.put(id, old ? { ...old, dirty: true } : { number, before, saved: null, savedAt: null, dirty: true })
  }

  /** Tell what the server has of an object that is touched already. */
  learn(id: string, before: Feature): void {
    const old = this.touches.peek().get(id)
    if (old) this.put(id, { ...old, before, number: numberOf(before) ?? old.number })
  }

  /** The server has the object like this (null: it is gone), and tiles from an edition on show it so. */
  saved(id: string, saved: Feature | null, edition: number): void {
    const old = this.touches.peek().get(id)
    const number = (saved && numberOf(saved)) ?? old?.number ?? null
    this.put(id, { number, before: old?.before ?? null, saved, savedAt: edition, dirty: false })
  }

  /** Forget an object: it is as the tiles show it. */
  drop(id: string): void {
    const left = new Map(this.touches.peek())
    if (left.delete(id)) this.touches.value = left
  }

  /** Tiles of an edition are on the screen: what they have needs nobody else to show it. */
  settle(edition: number): void {
    const seen = [...this.touches.peek()].filter(([, { savedAt }]) => savedAt !== null && savedAt <= edition)
    // Most often there are none, and then nobody is to be told of a change.
    if (seen.length === 0) return
    const left = new Map(this.touches.peek())
    for (const [id, touch] of seen) {
      if (touch.dirty) left.set(id, { ...touch, before: touch.saved, savedAt: null })
      else left.delete(id)
    }
    this.touches.value = left
  }

  /** Numbers of all that are touched. */
  numbers(): ReadonlySet<number> {
    return new Set([...this.touches.value.values()].flatMap(({ number }) => (number === null ? [] : [number])))
  }

  /** Numbers that tiles of an edition must not draw. */
  drawnElsewhere(edition: number): number[] {
    const behind = [...this.touches.value.values()].filter(({ dirty, savedAt }) => dirty || (savedAt ?? 0) > edition)
    return behind.flatMap(({ number }) => (number === null ? [] : [number]))
  }

  /** By how much counts of an edition are off; `now` gives an object as the page shows it. */
  difference(edition: number, now: (id: string) => Feature | undefined): ClassCount[] {
    const counts: ClassCount[] = []
    const add = (feature: Feature | null | undefined, count: number): void => {
      if (feature) counts.push({ className: classNameOf(feature), layer: feature.properties.layer ?? '', count })
    }
    for (const [id, { savedAt, saved, before }] of this.touches.value) {
      add(savedAt !== null && savedAt <= edition ? saved : before, -1)
      add(now(id), 1)
    }
    return counts
  }

  private put(id: string, touch: Touch): void {
    this.touches.value = new Map(this.touches.peek()).set(id, touch)
  }
}
