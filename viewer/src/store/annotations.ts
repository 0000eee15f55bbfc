/** The objects of one slide that the viewer holds, with a spatial index. */
import { signal } from '@preact/signals'
import RBush from 'rbush'
import { classNameOf } from '../model/annotation-class'
import type { Feature, Position } from '../model/geojson'
import { type Box, boundsOf, boxesMeet, hits } from '../model/geometry'

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
  private readonly counts = new Map<string | null, number>()

  get size(): number {
    return this.entries.size
  }

  get(id: string): Feature | undefined {
    return this.entries.get(id)?.feature
  }

  /** Number of objects held of one class; null counts those without a class. */
  countOf(className: string | null): number {
    return this.counts.get(className) ?? 0
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

  /** Hold these objects and those that `keep` names, and no others. */
  replaceAll(features: readonly Feature[], keep: (id: string) => boolean): void {
    const kept = this.features().filter((feature) => keep(feature.id))
    const keptIds = new Set(kept.map((feature) => feature.id))
    this.entries.clear()
    this.counts.clear()
    this.tree.clear()
    const fresh = features.filter((feature) => !keptIds.has(feature.id))
    this.tree.load([...kept, ...fresh].map((feature) => this.add(feature)))
    this.version.value++
  }

  /** Objects whose bounding box meets `box`, in no particular order. */
  search([minX, minY, maxX, maxY]: Box): Feature[] {
    return this.tree.search({ minX, minY, maxX, maxY }).map((entry) => entry.feature)
  }

  /** The smallest object at `p` or within `reach` level-0 px of it that `visible` lets through. */
  hit(p: Position, reach: number, visible: (feature: Feature) => boolean): Feature | null {
    const box = { minX: p[0] - reach, minY: p[1] - reach, maxX: p[0] + reach, maxY: p[1] + reach }
    const found = this.tree.search(box).sort((a, b) => boxArea(a) - boxArea(b))
    return found.find(({ feature }) => visible(feature) && hits(feature.geometry, p, reach))?.feature ?? null
  }

  /** Objects in `box` in reading order (rows of a tenth of the box), for going through them by keyboard. */
  inReadingOrder(box: Box, visible: (feature: Feature) => boolean): Feature[] {
    const row = Math.max(1, (box[3] - box[1]) / 10)
    return this.tree
      .search({ minX: box[0], minY: box[1], maxX: box[2], maxY: box[3] })
      .filter((entry) => visible(entry.feature) && boxesMeet(box, [entry.minX, entry.minY, entry.maxX, entry.maxY]))
      .sort((a, b) => Math.floor(a.minY / row) - Math.floor(b.minY / row) || a.minX - b.minX)
      .map((entry) => entry.feature)
  }

  private add(feature: Feature): Entry {
    const entry = entryOf(feature)
    this.entries.set(feature.id, entry)
    this.count(feature, 1)
    return entry
  }

  private drop(id: string): boolean {
    const entry = this.entries.get(id)
    if (!entry) return false
    this.entries.delete(id)
    this.tree.remove(entry)
    this.count(entry.feature, -1)
    return true
  }

  private count(feature: Feature, by: number): void {
    const name = classNameOf(feature)
    this.counts.set(name, (this.counts.get(name) ?? 0) + by)
  }
}
