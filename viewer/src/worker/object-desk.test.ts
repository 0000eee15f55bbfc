import { describe, expect, it } from 'vitest'
import { ring, type TileFeature, writeTile } from '../../test/vector-tile'
import type { ObjectStyle } from '../model/object-style'
import { decodeTile } from './mvt'
import { ObjectDesk } from './object-desk'
import type { MeetingAnswer, WithinAnswer } from './object-protocol'
import { sizeOf } from './object-tile'
import { SampleStore } from './sample-store'

const signal = new AbortController().signal
const style: ObjectStyle = {
  colors: {},
  filled: true,
  hiddenLayers: [],
  hiddenClasses: [],
  drawnElsewhere: [],
  gone: [],
  chosen: [],
  reclassed: [],
}

function square(id: number, x: number, y: number, side: number, tags = {}): TileFeature {
  return { id, type: 3, paths: [ring(x, y, side)], tags: { layer: 'l', ...tags } }
}

/** Two tiles side by side with one object across their border. */
const TILES: Readonly<Record<string, ArrayBuffer>> = {
  left: writeTile({ objects: [square(1, 100, 100, 50), square(2, 4000, 100, 200), square(4, 3000, 3000, 1352)] }),
  right: writeTile({ objects: [square(2, -96, 100, 200), square(3, 900, 100, 50, { class: 'A' })] }),
}
const PLACES = [
  { url: 'left', revision: 3, x: 0, y: 0, unit: 1 },
  { url: 'right', revision: 4, x: 4096, y: 0, unit: 1 },
]

function deskOf(): { desk: ObjectDesk; asked: string[]; drawn: number[] } {
  const asked: string[] = []
  const drawn: number[] = []
  const store = new SampleStore(async (url) => {
    asked.push(url)
    return decodeTile(TILES[url] as ArrayBuffer)
  }, 1 << 20)
  const desk = new ObjectDesk(store, (tile, look) => {
    drawn.push(
      ...Array.from({ length: sizeOf(tile) }, (_, n) => n)
        .filter((n) => look.shown(n))
        .map((n) => tile.numbers[n] as number),
    )
    return null
  })
  return { desk, asked, drawn }
}

const part = { scale: 1 / 16, left: 0, top: 0 }
const paint = { kind: 'paint', place: PLACES[0] as (typeof PLACES)[0], part, side: 256, ratio: 1 } as const

describe('the desk', () => {
  it('draws in a new style without asking for the tile again', async () => {
    const { desk, asked, drawn } = deskOf()
    await desk.answer(paint, signal)
    desk.restyle({ ...style, drawnElsewhere: [2] })
    await desk.answer(paint, signal)
    desk.restyle({ ...style, hiddenLayers: ['l'] })
    await desk.answer(paint, signal)
    expect(drawn).toEqual([1, 2, 4, 1, 4])
    expect(asked).toEqual(['left'])
  })

  it('finds nothing that is hidden or drawn elsewhere', async () => {
    const { desk } = deskOf()
    const pick = { kind: 'pick', place: paint.place, at: [120, 120], reach: 1 } as const
    expect(await desk.answer(pick, signal)).toMatchObject({ number: 1 })
    desk.restyle({ ...style, drawnElsewhere: [1] })
    expect(await desk.answer(pick, signal)).toBeNull()
  })

  it('gives an object of several tiles once, and only when no piece is outside', async () => {
    const { desk } = deskOf()
    const within = async (x1: number): Promise<WithinAnswer> => {
      const ring = [
        [50, 50],
        [x1, 50],
        [x1, 400],
        [50, 400],
      ] as const
      return (await desk.answer({ kind: 'within', places: PLACES, ring }, signal)) as WithinAnswer
    }
    const wide = await within(5200)
    expect([...wide.numbers]).toEqual([1, 2, 3])
    expect(wide.classNames).toEqual([null, null, 'A'])
    const narrow = await within(4150)
    expect([...narrow.numbers]).toEqual([1])
    expect([...narrow.outside].sort()).toEqual([2, 3, 4])
  })

  it('lists what meets a box once each', async () => {
    const { desk } = deskOf()
    const found = (await desk.answer(
      { kind: 'meeting', places: PLACES, box: [0, 0, 9000, 400] },
      signal,
    )) as MeetingAnswer
    expect([...found.numbers]).toEqual([1, 2, 3])
  })
})
