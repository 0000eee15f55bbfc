import { signal } from '@preact/signals'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Mpp } from '../model/geometry'
import type { Wanted } from '../model/group-edit'
import type { View } from '../model/view'
import { ObjectTable } from './object-table'

const ALL = Array.from({ length: 1234 }, (_, at) => {
  const feature = featureOf(`id ${at}`, square(at, at, 2), at % 2 ? 'A' : 'B')
  return { ...feature, properties: { ...feature.properties, number: at + 1, revision: 1 } }
})

let asked: URL[] = []
let answer: ((url: URL) => Response) | null = null

/** Pages and counts as the server gives them: a cursor is the place where the next page begins. */
function serve(url: URL): Response {
  if (url.pathname.endsWith('/summary')) return Response.json({ total: ALL.length })
  const [from, limit] = [Number(url.searchParams.get('cursor') ?? 0), Number(url.searchParams.get('limit'))]
  const end = from + limit
  const next = end < ALL.length ? String(end) : null
  return Response.json({ features: ALL.slice(from, end), next, revision: 1 })
}

function tableOf(mpp: Mpp | null = null) {
  const view = signal<View | null>({ x: 50, y: 50, zoom: 1, rotation: 0, width: 100, height: 60 })
  const edition = signal(1)
  const table = new ObjectTable({ slide: 's', mpp: () => mpp, view, edition })
  return { table, view, edition }
}

const lists = (): URL[] => asked.filter((url) => !url.pathname.endsWith('/summary'))

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  answer = null
  vi.stubGlobal('fetch', async (path: string) => {
    const url = new URL(path, 'http://same.site')
    asked.push(url)
    return (answer ?? serve)(url)
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the table', () => {
  it('reads on until there is no more, each object once', async () => {
    const { table } = tableOf()
    const stop = table.follow()
    await vi.advanceTimersByTimeAsync(10)
    expect([table.rows.value.length, table.total.value, table.state.value]).toEqual([200, 1234, 'ready'])
    while (table.hasMore.value) await table.more()
    expect(table.rows.value.map(({ number }) => number)).toEqual(ALL.map((_, at) => at + 1))
    await table.more()
    expect(lists()).toHaveLength(4)
    stop()
  })

  it('goes on in the list that it shows, wherever the view has gone meanwhile', async () => {
    const { table, view } = tableOf()
    table.onScreen.value = true
    await table.renew()
    view.value = { x: 900, y: 900, zoom: 1, rotation: 0, width: 100, height: 60 }
    await table.more()
    const [first, second] = lists().map((url) => url.searchParams.get('bbox'))
    expect([first === null, second]).toEqual([false, first])
  })

  it('asks once for the next page, however often it is told to', async () => {
    const { table } = tableOf()
    await table.renew()
    await Promise.all([table.more(), table.more(), table.more()])
    expect(table.rows.value).toHaveLength(700)
  })

  it('reads all when all are wanted, beside a page that is on its way, and says when they are too many', async () => {
    const { table } = tableOf()
    await table.renew()
    const page = table.more()
    expect(await table.whole()).toBe('')
    await page
    expect(table.rows.value.map(({ number }) => number)).toEqual(ALL.map((_, at) => at + 1))
    table.total.value = 50_001
    expect(await table.whole()).toBe('50,001 objects are listed; at most 50,000 are selected at once. Narrow the list.')
  })

  it('says so when all are wanted and the server does not answer, or the list has become another', async () => {
    const { table } = tableOf()
    await table.renew()
    answer = () => Response.json({ detail: 'Not now.' }, { status: 503 })
    expect(await table.whole()).toMatch(/could not be read to its end/)
    answer = null
    await table.renew()
    const all = table.whole()
    await table.renew()
    expect(await all).toMatch(/could not be read to its end/)
  })

  it('shows in its rows what has become of objects, without another question', async () => {
    const { table } = tableOf()
    await table.renew()
    const before = asked.length
    const other = table.rows.value[4]
    table.became(
      new Map<number, Wanted>([
        [1, { className: 'C' }],
        [2, { state: 'approved' }],
        [3, { isDeleted: true }],
      ]),
    )
    const [first, second, third] = table.rows.value
    expect([first?.className, second?.state, third?.isGone, table.rows.value[4]]).toEqual([
      'C',
      'approved',
      true,
      other,
    ])
    table.became(new Map<number, Wanted>([[3, { isDeleted: false }]]))
    expect(table.rows.value[2]?.isGone).toBe(false)
    table.show({ ...featureOf('id 0', square(0, 0, 4), 'D'), properties: { number: 1, classification: { name: 'D' } } })
    expect([table.rows.value[0]?.className, table.rows.value[0]?.area]).toEqual(['D', 16])
    expect(asked).toHaveLength(before)
  })

  it('sorts on the server, and keeps what is typed until typing rests', async () => {
    const { table } = tableOf()
    const stop = table.follow()
    await vi.advanceTimersByTimeAsync(10)
    table.sortBy('area')
    await vi.advanceTimersByTimeAsync(10)
    expect(lists().at(-1)?.searchParams.get('order')).toBe('area')
    const before = asked.length
    for (const text of ['T', 'Tu', 'Tum']) {
      table.text.value = text
      await vi.advanceTimersByTimeAsync(50)
    }
    expect(asked).toHaveLength(before)
    table.filter.value = 'area > 3'
    await vi.advanceTimersByTimeAsync(400)
    const query = lists().at(-1)?.searchParams
    expect([query?.get('q'), query?.get('filter'), query?.get('order')]).toEqual(['Tum', 'area > 3', 'area'])
    expect(asked).toHaveLength(before + 2)
    // The count takes the same filters, and knows no order.
    expect(
      asked.find((url) => url.pathname.endsWith('/summary') && url.searchParams.has('q'))?.searchParams.has('order'),
    ).toBe(false)
    stop()
  })

  it('compares areas in the unit that it shows, and tells a mistake where it was typed', async () => {
    const { table } = tableOf({ x: 0.5, y: 0.5 })
    table.filter.value = ' area > 3 AND'
    await table.renew()
    expect(lists().at(-1)?.searchParams.get('filter')).toBe('(area * 0.25) > 3 AND')
    expect(table.rows.value[0]?.area).toBe(1)
    answer = () =>
      Response.json({ detail: 'It cannot be read at character 22: why.', code: 'bad_filter' }, { status: 422 })
    await table.renew()
    expect(table.problem.value).toBe('It cannot be read at character 13: why.')
  })

  it('asks for the screen alone when told to, as a box or as a turned one', async () => {
    const { table, view } = tableOf()
    const stop = table.follow()
    table.onScreen.value = true
    await vi.advanceTimersByTimeAsync(400)
    expect(lists().at(-1)?.searchParams.get('bbox')).toBe('0.00,20.00,100.00,80.00')
    view.value = { x: 50, y: 50, zoom: 1, rotation: Math.PI / 2, width: 100, height: 60 }
    await vi.advanceTimersByTimeAsync(400)
    const corners = lists().at(-1)?.searchParams.get('polygon')?.split(',').map(Number) ?? []
    expect(corners).toHaveLength(8)
    expect([Math.min(...corners) + 0, Math.max(...corners)]).toEqual([0, 100])
    stop()
  })

  it('says what is wrong with a condition, and keeps the rows', async () => {
    const { table } = tableOf()
    await table.renew()
    answer = () => Response.json({ detail: 'A name is missing at character 3.', code: 'bad_filter' }, { status: 422 })
    table.filter.value = '= 3'
    await table.renew()
    expect([table.state.value, table.problem.value]).toEqual(['failed', 'A name is missing at character 3.'])
    expect(table.rows.value).toHaveLength(200)
    answer = null
    await table.renew()
    expect([table.state.value, table.problem.value]).toEqual(['ready', ''])
  })

  it('reads anew when objects have changed, and asks first when much is shown', async () => {
    const { table, edition } = tableOf()
    const stop = table.follow()
    await vi.advanceTimersByTimeAsync(400)
    const before = lists().length
    edition.value = 2
    await vi.advanceTimersByTimeAsync(400)
    expect(lists()).toHaveLength(before + 1)
    while (table.hasMore.value) await table.more()
    edition.value = 3
    await vi.advanceTimersByTimeAsync(400)
    expect([table.stale.value, table.rows.value.length]).toEqual([true, 1234])
    stop()
    edition.value = 4
    await vi.advanceTimersByTimeAsync(400)
    expect(lists()).toHaveLength(before + 4)
  })
})
