import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Feature } from '../model/geojson'
import type { Group, Picked } from '../model/picked'
import { AnnotationStore } from './annotations'
import { Interaction } from './interaction'
import type { ObjectReader } from './object-reader'
import type { Pending } from './pending'
import { memoryPendingDb } from './pending-db'
import { Picking } from './picking'
import { SaveQueue } from './queue'
import { Touched } from './touched'

const place = (x: number): { p: [number, number]; reach: number } => ({ p: [x, 0], reach: 1 })

function numbered(id: string, number: number, side = 10): Feature {
  const feature = featureOf(id, square(0, 0, side), 'A', 'l')
  return { ...feature, properties: { ...feature.properties, number, revision: number + 100 } }
}

function pickedAt(number: number, part: Partial<Picked> = {}): Picked {
  const geometry = square(0, 0, 10)
  return { number, id: null, className: 'A', layer: 'l', geometry, whole: true, area: 100, seen: 1, ...part }
}

function groupOf(numbers: readonly number[]): Group {
  const each = <T>(value: T): T[] => numbers.map(() => value)
  return { numbers, classNames: each('A'), layers: each('l'), seen: each(1) }
}

/** Answers in the order that the test says. */
class SlowReader implements ObjectReader {
  readonly asked: { readonly x: number; readonly answer: (picked: Picked | null) => void }[] = []
  group: Group | null = null
  order: readonly number[] = []

  pick([x]: readonly [number, number, ...number[]]): Promise<Picked | null> {
    return new Promise((answer) => this.asked.push({ x, answer }))
  }

  async within(): Promise<Group | null> {
    return this.group
  }

  async inReadingOrder(): Promise<readonly number[]> {
    return this.order
  }

  async counts(): Promise<never[]> {
    return []
  }
}

let requests: string[]

beforeEach(() => {
  requests = []
  vi.stubGlobal('fetch', async (path: string) => {
    requests.push(path)
    const number = Number(new URLSearchParams(path.split('?')[1]).get('number'))
    return Response.json({ features: number < 90 ? [numbered(`id-${number}`, number)] : [], next: null, revision: 1 })
  })
})
afterEach(() => vi.unstubAllGlobals())

function setUp() {
  const [objects, touched, interaction] = [new AnnotationStore(), new Touched(), new Interaction()]
  const queue = new SaveQueue('rk', 's', memoryPendingDb(), () => undefined)
  const picking = new Picking({ slide: 's', objects, touched, interaction, queue, visible: () => true })
  const reader = new SlowReader()
  picking.attach(reader)
  return { objects, touched, interaction, queue, picking, reader }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

describe('hovering', () => {
  it('asks for one place at a time, and then for the last', async () => {
    const { picking, reader, interaction } = setUp()
    for (const x of [1, 2, 3, 4]) picking.hover(place(x))
    expect(reader.asked.map(({ x }) => x)).toEqual([1])
    reader.asked[0]?.answer(pickedAt(7))
    await settled()
    expect(reader.asked.map(({ x }) => x)).toEqual([1, 4])
    expect(interaction.hover.value?.number).toBe(7)
    reader.asked[1]?.answer(null)
    await settled()
    expect(interaction.hover.value).toBeNull()
    expect(requests).toEqual([])
  })

  it('shows nothing for a pointer that has gone', async () => {
    const { picking, reader, interaction } = setUp()
    picking.hover(place(1))
    picking.hover(null)
    reader.asked[0]?.answer(pickedAt(7))
    await settled()
    expect(interaction.hover.value).toBeNull()
  })

  it('shows whole what its tile has cut', async () => {
    const { picking, reader, interaction } = setUp()
    picking.hover(place(1))
    reader.asked[0]?.answer(pickedAt(7, { whole: false, geometry: square(0, 0, 3) }))
    await vi.waitFor(() => expect(interaction.hover.value?.whole).toBe(true))
    expect(interaction.hover.value?.geometry).toEqual(square(0, 0, 10))
    expect(requests).toEqual(['/api/slides/s/annotations?limit=1&number=7'])
  })

  it('goes on where a tile cannot be had, with what is held here', async () => {
    const { picking, reader, interaction, objects, touched } = setUp()
    objects.set(numbered('mine', 5, 20))
    touched.begin('mine', null)
    const ask = reader.pick.bind(reader)
    reader.pick = () => Promise.reject(new Error('A tile of objects is not there.'))
    picking.hover({ p: [5, 5], reach: 1 })
    await settled()
    expect(interaction.hover.value?.id).toBe('mine')
    await picking.select({ p: [5, 5], reach: 1 })
    expect(interaction.selection.value).toBe('mine')
    await picking.select(place(90))
    expect(interaction.selection.value).toBeNull()
    reader.pick = ask
    picking.hover(place(90))
    reader.asked[0]?.answer(pickedAt(7))
    await settled()
    expect(interaction.hover.value?.number).toBe(7)
  })

  it('finds the smaller of what the tiles have and what is being edited', async () => {
    const { picking, reader, interaction, objects, touched } = setUp()
    objects.set(numbered('mine', 5, 20))
    touched.begin('mine', null)
    picking.hover({ p: [5, 5], reach: 1 })
    reader.asked[0]?.answer(pickedAt(7, { area: 399 }))
    await settled()
    expect(interaction.hover.value?.number).toBe(7)
    picking.hover({ p: [6, 5], reach: 1 })
    reader.asked[1]?.answer(pickedAt(8, { area: 401 }))
    await settled()
    expect(interaction.hover.value?.id).toBe('mine')
  })
})

describe('selecting', () => {
  it('shows at once what the tile knows, and then the object itself', async () => {
    const { picking, reader, interaction } = setUp()
    const selecting = picking.select(place(1))
    reader.asked[0]?.answer(pickedAt(7))
    let told: (answer: Response) => void = () => undefined
    vi.stubGlobal('fetch', () => new Promise((resolve) => (told = resolve)))
    await settled()
    expect([interaction.preview.value?.number, interaction.selection.value]).toEqual([7, null])
    told(Response.json({ features: [numbered('id-7', 7)], next: null, revision: 1 }))
    await selecting
    expect([interaction.preview.value, interaction.selection.value]).toEqual([null, 'id-7'])
  })

  it('shows at once what the pointer has shown there, and what the tiles say if that is another one', async () => {
    const { picking, reader, interaction } = setUp()
    picking.hover(place(1))
    reader.asked[0]?.answer(pickedAt(7))
    await settled()
    const selecting = picking.select(place(1))
    expect(interaction.preview.value?.number).toBe(7)
    reader.asked[1]?.answer(pickedAt(8))
    await selecting
    expect([interaction.selection.value, interaction.preview.value]).toEqual(['id-8', null])
    // Another place, or a shown object that has gone meanwhile, is looked at first.
    void picking.select(place(2))
    expect(interaction.preview.value).toBeNull()
    interaction.hover.value = null
    void picking.select(place(1))
    expect(interaction.preview.value).toBeNull()
  })

  it('without a connection holds the object by its number alone', async () => {
    const { picking, reader, interaction } = setUp()
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('offline')
    })
    const selecting = picking.select(place(1))
    reader.asked[0]?.answer(pickedAt(7))
    await selecting
    expect([interaction.selection.value, interaction.preview.value]).toEqual([null, null])
    expect(interaction.group.value).toEqual(groupOf([7]))
  })

  it('shows nothing any more of what the server does not have', async () => {
    const { picking, reader, interaction } = setUp()
    const selecting = picking.select(place(1))
    reader.asked[0]?.answer(pickedAt(99))
    await selecting
    expect([interaction.preview.value, interaction.selection.value]).toEqual([null, null])
  })

  it('asks for the object by its number, and knows its revision', async () => {
    const { picking, reader, interaction, objects, queue } = setUp()
    const done = picking.select(place(1))
    reader.asked[0]?.answer(pickedAt(7))
    await done
    expect(interaction.selection.value).toBe('id-7')
    expect(objects.get('id-7')?.geometry).toEqual(square(0, 0, 10))
    expect(queue.basisOf('id-7')).toBe(107)
  })

  it('takes the last click alone, however late the others answer', async () => {
    const { picking, reader, interaction } = setUp()
    const both = [picking.select(place(1)), picking.select(place(2))]
    reader.asked[1]?.answer(pickedAt(8))
    await both[1]
    reader.asked[0]?.answer(pickedAt(7))
    await both[0]
    expect(interaction.selection.value).toBe('id-8')
  })

  it('selects nothing where nothing is, or where it has gone meanwhile', async () => {
    const { picking, reader, interaction } = setUp()
    interaction.selection.value = 'old'
    const done = picking.select(place(1))
    reader.asked[0]?.answer(pickedAt(99))
    await done
    expect(interaction.selection.value).toBeNull()
  })

  it("leaves the reader's own unsaved form of an object in place", async () => {
    const { picking, reader, interaction, objects, queue } = setUp()
    const mine = { ...numbered('id-7', 7), geometry: square(50, 50, 5) }
    queue.pending.value = new Map([['id-7', { id: 'id-7', desired: mine } as Pending]])
    objects.set(mine)
    const done = picking.select(place(1))
    reader.asked[0]?.answer(pickedAt(7))
    await done
    expect(interaction.selection.value).toBe('id-7')
    expect(objects.get('id-7')).toBe(mine)
  })

  it('of many gives a group, of one alone the object itself', async () => {
    const { picking, reader, interaction } = setUp()
    reader.group = groupOf([1, 2, 3])
    expect(await picking.selectWithin([])).toBe(3)
    expect([interaction.group.value, interaction.selection.value]).toEqual([reader.group, null])
    reader.group = groupOf([4])
    expect(await picking.selectWithin([])).toBe(1)
    expect([interaction.group.value, interaction.selection.value]).toEqual([null, 'id-4'])
    reader.group = groupOf([])
    expect(await picking.selectWithin([])).toBe(0)
    expect([interaction.group.value, interaction.selection.value]).toEqual([null, null])
    reader.group = null
    expect(await picking.selectWithin([])).toBeNull()
  })

  it('goes through the objects of a box, round and round', async () => {
    const { picking, reader, interaction } = setUp()
    reader.order = [5, 3, 8]
    const seen: (string | null)[] = []
    for (const by of [1, 1, 1, 1, -1] as const) {
      await picking.step([0, 0, 1, 1], by)
      seen.push(interaction.selection.value)
    }
    expect(seen).toEqual(['id-5', 'id-3', 'id-8', 'id-5', 'id-8'])
  })

  it('counts each of several steps that come faster than their answers', async () => {
    const { picking, reader, interaction } = setUp()
    reader.order = [5, 3, 8, 9]
    await Promise.all([1, 2, 3].map(() => picking.step([0, 0, 1, 1], 1)))
    expect(interaction.selection.value).toBe('id-8')
  })
})
