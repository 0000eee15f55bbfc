/** The few objects that the page itself holds, because somebody touches them; all others are in tiles. */
import { signal } from '@preact/signals'
import RBush from 'rbush'
import type { Feature, Position } from '../model/geojson'
import { boundsOf, hits } from '../model/geometry'
import { numberOf } from '../model/picked'

interface Entry {
  readonly minX: number
  readonly minY: number
  readonly maxX: number
  readonly maxY: number
  readonly feature: Feature
}

function entryOf(feature: Feature): Entry {
  const [minX, minY, maxX, maxY] = boundsOf(feature.geometry)
  return { minX, minY, maxX, maxY, feature }
}

function boxArea(entry: Entry): number {
  return (entry.maxX - entry.minX) * (entry.maxY - entry.minY)
}

export class AnnotationStore {
  /** Goes up with every change. */
  readonly version = signal(0)
  private readonly entries = new Map<string, Entry>()
  private readonly tree = new RBush<Entry>()

  get size(): number {
    return this.entries.size
  }

  get(id: string): Feature | undefined {
    return this.entries.get(id)?.feature
  }

  /** The held object with this number on the slide. */
  byNumber(number: number): Feature | undefined {
    return this.features().find((feature) => numberOf(feature) === number)
  }

  features(): Feature[] {
    return Array.from(this.entries.values(), (entry) => entry.feature)
  }

  set(feature: Feature): void {
    this.drop(feature.id)
    this.tree.insert(this.add(feature))
    this.version.value++
  }

  remove(id: string): void {
    if (this.drop(id)) this.version.value++
  }

  /** Let go of all objects but those that `keep` names. */
  prune(keep: (id: string) => boolean): void {
    const gone = [...this.entries.keys()].filter((id) => !keep(id))
    for (const id of gone) this.drop(id)
    if (gone.length > 0) this.version.value++
  }

  /** The smallest object at `p` or within `reach` level-0 px of it that `visible` lets through. */
  hit(p: Position, reach: number, visible: (feature: Feature) => boolean): Feature | null {
    const box = { minX: p[0] - reach, minY: p[1] - reach, maxX: p[0] + reach, maxY: p[1] + reach }
    const found = this.tree.search(box).sort((a, b) => boxArea(a) - boxArea(b))
    return found.find(({ feature }) => visible(feature) && hits(feature.geometry, p, reach))?.feature ?? null
  }

  private add(feature: Feature): Entry {
    const entry = entryOf(feature)
    this.entries.set(feature.id, entry)
    return entry
  }

  private drop(id: string): boolean {
    const entry = this.entries.get(id)
    if (!entry) return false
    this.entries.delete(id)
    this.tree.remove(entry)
    return true
  }
}
