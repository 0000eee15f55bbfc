import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Feature } from '../model/geojson'
import type { Slide } from '../model/slide'
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

function withRevision(feature: Feature, revision: number): Feature {
  return { ...feature, properties: { ...feature.properties, revision } }
}

const onServer = [
  withRevision(featureOf('a', square(300, 300, 50), 'Tumour', 'Cells'), 3),
  withRevision(featureOf('b', square(600, 310, 50), 'Tumour', 'rk'), 5),
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

let waiting: Pending[]

async function open(role = 'annotator'): Promise<Workspace> {
  const db = { ...memoryPendingDb(), load: async () => waiting }
  const rights = { can_annotate: role !== 'viewer', can_ingest: false, can_see_originals: false }
  const workspace = new Workspace(slide, { user: 'rk', role, ...rights }, db)
  workspace.view.view.value = view
  await workspace.start()
  return workspace
}

beforeEach(() => {
  waiting = []
  vi.stubGlobal('window', new EventTarget())
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    if (init.method !== 'GET') return Response.json({ detail: 'Not now.' }, { status: 503 })
    if (path.endsWith('/classes')) return Response.json({ items: [tumour], next: null })
    if (path.endsWith('/layers'))
      return Response.json({ items: [{ name: 'rk', author: 'rk', annotations: 2 }], next: null })
    return Response.json({ features: onServer, next: null })
  })
})

afterEach(() => vi.unstubAllGlobals())

describe('an open slide', () => {
  it('has its classes, layers and objects', async () => {
    const workspace = await open()
    expect(workspace.interaction.activeClass.value).toBe('Tumour')
    expect(workspace.total.value).toBe(2)
    expect(workspace.objects.features().map(({ id }) => id)).toEqual(['a', 'b'])
    expect(workspace.queue.revision.value).toBe(5)
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
    expect(workspace.objects.get('b')).toBeUndefined()
    expect(workspace.objects.get('new')).toBeDefined()
    expect(workspace.reasonOf('a')).toBe('No.')
    workspace.dispose()
  })

  it('can be read but not changed by a viewer', async () => {
    const workspace = await open('viewer')
    const [first] = workspace.objects.features()
    expect(first && workspace.mayEdit(first)).toBe(false)
    expect(workspace.canRename).toBe(false)
    workspace.dispose()
  })

  it('lets nobody change what is hidden or locked', async () => {
    const workspace = await open()
    const cell = workspace.objects.get('a') as Feature
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
    workspace.interaction.selection.value = 'a'
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
    const seen = [1, 1, 1, -1].map((by) => {
      workspace.step(by as 1 | -1)
      return workspace.interaction.selection.value
    })
    expect(seen).toEqual(['a', 'b', 'a', 'b'])
    workspace.dispose()
  })

  it('says so when objects cannot be had, and tries again when told', async () => {
    const good = fetch
    vi.stubGlobal('fetch', async () => Response.json({ detail: 'no' }, { status: 500 }))
    const workspace = await open()
    expect(workspace.loader.report.value.state).toBe('failed')
    vi.stubGlobal('fetch', good)
    await workspace.reload()
    expect(workspace.loader.report.value.state).toBe('ready')
    expect(workspace.objects.size).toBe(2)
    workspace.dispose()
  })
})
