/** Answers about objects, from the workers that have their tiles. */
import type { Position } from '../model/geojson'
import { type Box, unionOf } from '../model/geometry'
import type { ClassCount, Group, Picked } from '../model/picked'
import type { TileAddress } from '../model/slide'
import { detailedLevel, levelAt, placeOf, tileBox, tilesIn } from '../model/vector-tile'
import type { ObjectReader } from '../store/object-reader'
import type { Workspace } from '../store/workspace'
import type { MeetingAnswer } from '../worker/object-protocol'
import type { ObjectWorkers } from './object-workers'

/** The most tiles that one question may go through: a slide of 40,000 x 32,000 px whole. */
const MOST_TILES = 400

/** Numbers in reading order: by rows of a tenth of the box, and from left to right. */
export function readingOrder(parts: readonly MeetingAnswer[], box: Box): number[] {
  const row = Math.max(1, (box[3] - box[1]) / 10)
  const places = new Map<number, readonly [row: number, x: number]>()
  for (const { numbers, xs, ys } of parts) {
    numbers.forEach((number, at) => {
      const place = [Math.floor((ys[at] as number) / row), xs[at] as number] as const
      const known = places.get(number)
      // An object in several tiles begins where the first of its pieces does.
      const first = !known || place[0] < known[0] || (place[0] === known[0] && place[1] < known[1])
      if (first) places.set(number, place)
    })
  }
  return [...places].sort(([, a], [, b]) => a[0] - b[0] || a[1] - b[1]).map(([number]) => number)
}

export class CanvasReader implements ObjectReader {
  constructor(
    private readonly workspace: Workspace,
    private readonly workers: ObjectWorkers,
    /** Pixels of the screen for each CSS pixel, as tiles are drawn. */
    private readonly ratio: number,
  ) {}

  pick(p: Position, reach: number): Promise<Picked | null> {
    const tile = this.tiles(this.level(), [p[0], p[1], p[0], p[1]])[0]
    if (!tile || !this.workspace.counts.any.peek()) return Promise.resolve(null)
    return this.workers.ask({ kind: 'pick', place: this.place(tile), at: p, reach }, tile)
  }

  async within(ring: readonly Position[]): Promise<Group | null> {
    const level = Math.max(this.level(), detailedLevel(this.workspace.slide.peek()))
    const tiles = this.tiles(level, unionOf(ring.map(([x, y]) => [x, y, x, y])))
    if (tiles.length > MOST_TILES) return null
    const parts = await Promise.all(
      this.byWorker(tiles).map((some) => {
        const places = some.map((tile) => this.place(tile))
        return this.workers.ask({ kind: 'within', places, ring }, some[0] as TileAddress)
      }),
    )
    const outside = new Set(parts.flatMap((part) => [...part.outside]))
    const found = new Map<number, readonly [className: string | null, layer: string, seen: number]>()
    for (const { numbers, classNames, layers, seen } of parts) {
      numbers.forEach((number, at) => {
        if (!outside.has(number)) found.set(number, [classNames[at] ?? null, layers[at] ?? '', seen[at] ?? 0])
      })
    }
    const members = [...found.values()]
    return {
      numbers: [...found.keys()],
      classNames: members.map(([className]) => className),
      layers: members.map(([, layer]) => layer),
      seen: members.map(([, , seen]) => seen),
    }
  }

  async inReadingOrder(box: Box): Promise<readonly number[]> {
    const parts = await Promise.all(
      this.byWorker(this.tiles(this.level(), box)).map((some) => {
        const places = some.map((tile) => this.place(tile))
        return this.workers.ask({ kind: 'meeting', places, box }, some[0] as TileAddress)
      }),
    )
    return readingOrder(parts, box)
  }

  /** The smallest level has all objects in one tile: those that it draws and those that it counts. */
  counts(): Promise<readonly ClassCount[]> {
    // Whoever asks again after a failure wants workers that answer.
    this.workers.revive()
    const tile = { level: 0, col: 0, row: 0 }
    return this.workers.ask({ kind: 'count', place: this.place(tile) }, tile)
  }

  private level(): number {
    return levelAt(this.workspace.slide.peek(), (this.workspace.view.view.peek()?.zoom ?? 1) * this.ratio)
  }

  private tiles(level: number, box: Box): TileAddress[] {
    return tilesIn(this.workspace.slide.peek(), level, box)
  }

  private place(tile: TileAddress): ReturnType<typeof placeOf> {
    const slide = this.workspace.slide.peek()
    return placeOf(slide, tile, this.workspace.live.revisionAt(tileBox(slide, tile)))
  }

  private byWorker(tiles: readonly TileAddress[]): TileAddress[][] {
    const groups = new Map<number, TileAddress[]>()
    for (const tile of tiles) {
      const worker = this.workers.workerOf(tile)
      groups.set(worker, [...(groups.get(worker) ?? []), tile])
    }
    return [...groups.values()]
  }
}
