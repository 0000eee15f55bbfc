/** Answers what the page asks about objects, out of decoded tiles that are kept as long as there is room. */
import type { ObjectStyle } from '../model/object-style'
import type { TilePlace } from '../model/vector-tile'
import type { Answers, Ask, MeetingAnswer, WithinAnswer } from './object-protocol'
import { countsOf, type Found, meeting, type Place, pickIn, within } from './object-search'
import type { ObjectTile } from './object-tile'
import type { SampleStore } from './sample-store'
import { Style, TileLook } from './tile-look'

const PLAIN: ObjectStyle = {
  colors: {},
  filled: true,
  hiddenLayers: [],
  hiddenClasses: [],
  drawnElsewhere: [],
  gone: [],
  chosen: [],
  reclassed: [],
}

/** Draws a tile; answers null when nothing of it is seen. */
export type Draw = (tile: ObjectTile, look: TileLook, style: Style, ask: Ask & { kind: 'paint' }) => ImageBitmap | null

/** Objects once each, whatever number of tiles has a piece of them. */
function onceEach<T extends Place>(found: readonly T[]): T[] {
  return [...new Map(found.map((each) => [each.number, each])).values()]
}

export class ObjectDesk {
  private style = new Style(PLAIN)

  constructor(
    private readonly tiles: SampleStore<ObjectTile>,
    private readonly draw: Draw,
  ) {}

  restyle(style: ObjectStyle): void {
    this.style = new Style(style)
  }

  async answer(ask: Ask, signal: AbortSignal): Promise<Answers[Ask['kind']]> {
    switch (ask.kind) {
      case 'paint': {
        const tile = await this.load(ask.place, signal)
        return this.draw(tile, new TileLook(tile, this.style), this.style, ask)
      }
      case 'pick': {
        const tile = await this.load(ask.place, signal)
        const look = new TileLook(tile, this.style)
        const shown = (_: ObjectTile, index: number): boolean => look.shown(index)
        return pickIn(tile, ask.place, ask.at, ask.reach, shown, (_, index) => look.className(index))
      }
      case 'within':
        return this.within(ask, signal)
      case 'meeting':
        return this.meeting(ask, signal)
      case 'count':
        return countsOf(await this.load(ask.place, signal))
    }
  }

  private async load({ url }: TilePlace, signal: AbortSignal): Promise<ObjectTile> {
    const tile = await this.tiles.load(url, signal)
    signal.throwIfAborted()
    return tile
  }

  private async within({ places, ring }: Ask & { kind: 'within' }, signal: AbortSignal): Promise<WithinAnswer> {
    const inside: Found[] = []
    const outside = new Set<number>()
    for (const place of places) {
      const tile = await this.load(place, signal)
      const look = new TileLook(tile, this.style)
      const found = within(
        tile,
        place,
        ring,
        (_, index) => look.shown(index),
        (_, index) => look.className(index),
      )
      for (const each of found.inside) inside.push(each)
      for (const number of found.outside) outside.add(number)
    }
    const whole = onceEach(inside).filter(({ number }) => !outside.has(number))
    return {
      numbers: Float64Array.from(whole, ({ number }) => number),
      classNames: whole.map(({ className }) => className),
      layers: whole.map(({ layer }) => layer),
      seen: Float64Array.from(whole, ({ seen }) => seen),
      outside: Float64Array.from(outside),
    }
  }

  private async meeting({ places, box }: Ask & { kind: 'meeting' }, signal: AbortSignal): Promise<MeetingAnswer> {
    const found: Place[] = []
    for (const place of places) {
      const tile = await this.load(place, signal)
      const look = new TileLook(tile, this.style)
      for (const each of meeting(tile, place, box, (_, index) => look.shown(index))) found.push(each)
    }
    const once = onceEach(found)
    return {
      numbers: Float64Array.from(once, ({ number }) => number),
      xs: Float64Array.from(once, ({ x }) => x),
      ys: Float64Array.from(once, ({ y }) => y),
    }
  }
}
