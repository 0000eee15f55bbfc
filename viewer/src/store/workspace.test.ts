import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Feature } from '../model/geojson'
import type { ClassCount } from '../model/picked'
import type { Slide } from '../model/slide'
import type { ObjectReader } from './object-reader'
import type { Pending } from './pending'
import { memoryPendingDb } from './pending-db'
import { Workspace } from './workspace'

const tumour = { name: 'Tumour', color: [255, 0, 0], value: 1, priority: 0, hotkey: null }
const channels = [
  { name: 'red', color: [255, 0, 0] },
  { name: 'green', color: [0, 255, 0] },
  { name: 'blue', color: [0, 0, 255] },
] as const
const pixels = { width: 1000, height: 1000, dtype: 'uint8', channels } as const
const slide = { id: 's', ...pixels, mpp_x: 0.5, mpp_y: 0.5, mpp_plausible: true } as unknown as Slide
const view = { x: 500, y: 500, zoom: 1, rotation: 0, width: 800, height: 600 }

function stored(feature: Feature, number: number, revision: number): Feature {
  return { ...feature, properties: { ...feature.properties, number, revision } }
}

const onServer = [
  stored(featureOf('a', square(300, 300, 50), 'Tumour', 'Cells'), 1, 3),
  stored(featureOf('b', square(600, 310, 50), 'Tumour', 'rk'), 2, 5),
]

function pending(part: Partial<Pending>): Pending {
  const rest = {
    status: 'refused',
    reason: 'No.',
    theirs: null,
    sent: null,
    known: null,
    token: 't',
    order: 1,
  } as const
  return { user: 'rk', slide: 's', id: 'p', desired: null, ...rest, ...part }
}

class FakeSource extends EventTarget {
  close(): void {}

  tell(change: object): void {
    this.dispatchEvent(new MessageEvent('changed', { data: JSON.stringify(change) }))
  }
}

let waiting: Pending[]
let asked: string[]
let source: FakeSource
/** Classes that edits of many have given. */
const editedAs = new Map<string, string | undefined>()
let sentEdits: readonly { readonly id: string; readonly revision: number; readonly class?: string }[]

/** What becomes of edits that all fit. */
function edited({ edits }: { edits: typeof sentEdits }): object {
  sentEdits = edits
  for (const edit of edits) editedAs.set(edit.id, edit.class)
  return { done: edits.length, results: edits.map(() => ({ result: 'done', revision: 9 })) }
}

/** Tiles in which the server's objects lie beside each other. */
const reader: ObjectReader = {
  pick: async () => null,
  within: async () => ({ numbers: [1, 2], classNames: ['Tumour', 'Tumour'], layers: ['Cells', 'rk'], seen: [5, 5] }),
  inReadingOrder: async () => [1, 2],
  counts: async () => [
    { className: 'Tumour', layer: 'Cells', count: 1 },
    { className: 'Tumour', layer: 'rk', count: 1 },
  ],
}

async function open(role = 'annotator'): Promise<Workspace> {
  const db = { ...memoryPendingDb(), load: async () => waiting }
  const rights = { can_annotate: role !== 'viewer', can_ingest: false, can_see_originals: false }
  const workspace = new Workspace(slide, { user: 'rk', role, ...rights }, db)
  workspace.view.view.value = view
  workspace.attach(reader)
  await workspace.start()
  return workspace
}

beforeEach(() => {
  waiting = []
  asked = []
  editedAs.clear()
  source = new FakeSource()
  vi.stubGlobal('window', Object.assign(new EventTarget(), { document: new EventTarget() }))
  vi.stubGlobal('EventSource', function fake() {
    return source
  })
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push(`${init.method} ${path}`)
    if (path.endsWith('/edits')) return Response.json(edited(JSON.parse(String(init.body))))
    if (init.method !== 'GET') return Response.json({ detail: 'Not now.' }, { status: 503 })
    if (path.endsWith('/classes')) return Response.json({ items: [tumour], next: null })
    if (path.endsWith('/layers'))
      return Response.json({ items: [{ name: 'rk', author: 'rk', annotations: 2 }], next: null })
    const one = onServer.find(({ id }) => path === `/api/annotations/${id}`)
    if (one) return Response.json(one, { headers: { etag: `"r${one.properties.revision}"` } })
    if (path.startsWith('/api/annotations/')) return Response.json({ detail: 'Gone.' }, { status: 404 })
    const numbers = new URLSearchParams(path.split('?')[1]).getAll('number').map(Number)
    const features = onServer
      .filter(({ properties }) => numbers.includes(properties.number ?? 0))
      .map((feature) => {
        const name = editedAs.get(feature.id)
        if (name === undefined) return feature
        return { ...feature, properties: { ...feature.properties, revision: 9, classification: { name } } }
      })
    return Response.json({ features, next: null, revision: 5 })
  })
})

afterEach(() => vi.unstubAllGlobals())

describe('an open slide', () => {
  it('has its classes, layers and objects', async () => {
    const workspace = await open()
    expect(workspace.interaction.activeClass.value).toBe('Tumour')
    expect([workspace.counts.total.value, workspace.counts.ofClass('Tumour')]).toEqual([2, 2])
    // They are in tiles: none is held by the page.
    expect(workspace.objects.size).toBe(0)
    expect(workspace.live.revision.value).toBe(5)
    // No object is fetched to learn where the slide stands.
    expect(asked).toContain('GET /api/slides/s')
    expect(asked.filter((request) => request.includes('/annotations?'))).toEqual([])
    expect(workspace.mpp).toEqual({ x: 0.5, y: 0.5 })
    workspace.dispose()
  })

  it("shows the reader's own unsaved form of an object, whatever the server has", async () => {
    const mine = featureOf('a', square(0, 0, 9))
    waiting = [
      pending({ id: 'a', desired: mine }),
      pending({ id: 'b' }),
      pending({ id: 'new', desired: featureOf('new', square(1, 1, 1)) }),
    ]
    const workspace = await open()
    expect(workspace.objects.get('a')?.geometry).toEqual(mine.geometry)
    await workspace.picking.hold('a')
    expect(workspace.objects.get('a')?.geometry).toEqual(mine.geometry)
    expect(workspace.objects.get('b')).toBeUndefined()
    expect(workspace.objects.get('new')).toBeDefined()
    expect(workspace.reasonOf('a')).toBe('No.')
    workspace.dispose()
  })

  it('can be read but not changed by a viewer', async () => {
    const workspace = await open('viewer')
    const first = await workspace.picking.hold('a')
    expect(first && workspace.mayEdit(first)).toBe(false)
    expect(workspace.canRename).toBe(false)
    workspace.dispose()
  })

  it('lets nobody change what is hidden or locked', async () => {
    const workspace = await open()
    const cell = (await workspace.picking.hold('a')) as Feature
    expect(workspace.mayEdit(cell)).toBe(true)
    expect(workspace.mayEdit({ ...cell, properties: { ...cell.properties, isLocked: true } })).toBe(false)
    workspace.interaction.toggleLayer('Cells')
    expect([workspace.visible(cell), workspace.mayEdit(cell)]).toEqual([false, false])
    workspace.interaction.toggleLayer('Cells')
    workspace.interaction.showObjects.value = false
    expect(workspace.visible(cell)).toBe(false)
    workspace.dispose()
  })

  it('gives a chosen class to the selected object, but not in the middle of drawing', async () => {
    const workspace = await open()
    await workspace.goTo('a')
    workspace.interaction.tool.value = 'polygon'
    workspace.addClass('Stroma')
    expect(workspace.objects.get('a')?.properties.classification?.name).toBe('Tumour')
    workspace.interaction.tool.value = 'select'
    workspace.chooseClass('Stroma')
    expect(workspace.objects.get('a')?.properties.classification?.name).toBe('Stroma')
    expect(workspace.classes.value.map(({ name }) => name)).toEqual(['Tumour', 'Stroma'])
    workspace.deleteSelected()
    expect([workspace.objects.get('a'), workspace.interaction.selection.value]).toEqual([undefined, null])
    workspace.dispose()
  })

  it('is gone through object by object, round and round', async () => {
    const workspace = await open()
    const seen: (string | null)[] = []
    for (const by of [1, 1, 1, -1] as const) {
      await workspace.step(by)
      seen.push(workspace.interaction.selection.value)
    }
    expect(seen).toEqual(['a', 'b', 'a', 'b'])
    workspace.dispose()
  })

  it('says so when objects cannot be had, and tries again when told', async () => {
    const good = fetch
    vi.stubGlobal('fetch', async () => Response.json({ detail: 'no' }, { status: 500 }))
    const workspace = await open()
    expect(workspace.counts.state.value).toBe('failed')
    vi.stubGlobal('fetch', good)
    await workspace.reload()
    expect(workspace.counts.state.value).toBe('ready')
    expect(workspace.counts.total.value).toBe(2)
    workspace.dispose()
  })

  it('counts again when told, also where nothing is new', async () => {
    const workspace = await open()
    let [fails, asked] = [true, 0]
    const counts = async (): Promise<ClassCount[]> => {
      asked++
      if (fails) throw new Error('no')
      return []
    }
    workspace.attach({ ...reader, counts })
    await workspace.reload()
    expect([workspace.counts.state.value, asked]).toEqual(['failed', 1])
    fails = false
    await workspace.reload()
    expect([workspace.counts.state.value, asked]).toEqual(['ready', 2])
    workspace.dispose()
  })

  it('holds what its address selects, and lets go of it afterwards', async () => {
    const workspace = await open()
    workspace.interaction.selection.value = 'b'
    await vi.waitFor(() => expect(workspace.objects.get('b')).toBeDefined())
    workspace.interaction.selection.value = null
    expect(workspace.objects.size).toBe(0)
    workspace.interaction.selection.value = 'never'
    await vi.waitFor(() => expect(workspace.interaction.selection.value).toBeNull())
    workspace.dispose()
  })

  it('deletes the selected object, of which nothing is held any more', async () => {
    const workspace = await open()
    await workspace.goTo('b')
    workspace.deleteSelected()
    expect(workspace.queue.pending.value.get('b')).toMatchObject({ desired: null, known: { revision: 5 } })
    expect([workspace.objects.size, workspace.interaction.selection.value]).toEqual([0, null])
    expect([workspace.objectStyle.value.drawnElsewhere, workspace.counts.total.value]).toEqual([[2], 1])
    workspace.editor.undo()
    expect([workspace.objects.get('b')?.properties.number, workspace.counts.total.value]).toEqual([2, 2])
    workspace.dispose()
  })

  it('says that somebody else has changed the selected object, and shows theirs when told', async () => {
    const workspace = await open()
    await workspace.goTo('a')
    source.tell({ revision: 7, author: 'other', ids: ['b'], count: 1, box: [0, 0, 1, 1] })
    expect(workspace.interaction.overtaken.value).toBeNull()
    source.tell({ revision: 8, author: 'other', ids: ['a'], count: 1, box: [0, 0, 1, 1] })
    await vi.waitFor(() => expect(workspace.interaction.overtaken.value).toMatchObject({ id: 'a', author: 'other' }))
    // It stays as the reader knows it until then.
    expect(asked.filter((line) => line === 'GET /api/annotations/a')).toHaveLength(1)
    await workspace.refreshSelected()
    expect(workspace.interaction.overtaken.value).toBeNull()
    expect(asked.filter((line) => line === 'GET /api/annotations/a')).toHaveLength(2)
    source.tell({ revision: 9, author: 'other', ids: ['a'], kind: 'deleted', count: 1, box: null })
    await vi.waitFor(() => expect(workspace.interaction.overtaken.value).toMatchObject({ id: 'a', isGone: true }))
    // Settled for theirs, that is what the reader sees.
    workspace.editor.tookTheirs('a', null, 9)
    expect(workspace.interaction.overtaken.value).toBeNull()
    workspace.dispose()
  })

  it('tells the revision of the slide from the beginning, not the one of what is selected', async () => {
    const workspace = await open()
    const { revision } = workspace.queue
    expect(revision.value).toBe(workspace.live.newest)
    await workspace.goTo('a')
    expect(revision.value).toBe(workspace.live.newest)
    workspace.dispose()
  })

  it('edits many objects at once, as one step that can be taken back', async () => {
    const workspace = await open()
    await workspace.selectWithin([])
    expect(workspace.interaction.group.value?.numbers).toEqual([1, 2])
    workspace.chooseClass('Stroma')
    // Shown before the server has said anything.
    expect(workspace.objectStyle.value.reclassed).toEqual([{ numbers: [1, 2], className: 'Stroma' }])
    expect([workspace.counts.ofClass('Tumour'), workspace.counts.ofClass('Stroma')]).toEqual([0, 2])
    expect([workspace.queue.waiting.value, workspace.editor.undoStack.depth.value]).toEqual([2, 1])
    await vi.waitFor(() => expect(workspace.queue.state.value).toBe('saved'))
    expect(sentEdits).toEqual([
      { id: 'a', revision: 3, class: 'Stroma' },
      { id: 'b', revision: 5, class: 'Stroma' },
    ])
    await vi.waitFor(() => expect(workspace.interaction.group.value?.classNames).toEqual(['Stroma', 'Stroma']))
    workspace.editor.undo()
    await vi.waitFor(() => expect(sentEdits.map(({ revision }) => revision)).toEqual([9, 9]))
    expect(sentEdits).toEqual([
      { id: 'a', revision: 9, class: 'Tumour' },
      { id: 'b', revision: 9, class: 'Tumour' },
    ])
    await vi.waitFor(() => expect(workspace.queue.state.value).toBe('saved'))
    workspace.deleteSelected()
    expect([workspace.interaction.group.value, workspace.counts.total.value]).toEqual([null, 0])
    await vi.waitFor(() => expect(workspace.queue.state.value).toBe('saved'))
    expect(sentEdits[0]).toEqual({ id: 'a', revision: 9, delete: true })
    workspace.dispose()
  })
})
