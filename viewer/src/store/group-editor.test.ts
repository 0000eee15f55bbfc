import { afterEach, describe, expect, it, vi } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Edit, EditResult } from '../api/annotations'
import type { Feature } from '../model/geojson'
import { AnnotationStore } from './annotations'
import { Editor } from './editor'
import { GroupEditor } from './group-editor'
import { Live } from './live'
import { memoryPendingDb } from './pending-db'
import { SaveQueue } from './queue'

afterEach(() => vi.unstubAllGlobals())

function numbered(number: number, className?: string, properties = {}): Feature {
  const feature = featureOf(`id-${number}`, square(number, 0, 10), className, 'l')
  return { ...feature, properties: { ...feature.properties, number, revision: 3, ...properties } }
}

/** A server with these objects, which answers edits with what `results` says. */
function setUp(features: readonly Feature[], results: (edits: readonly Edit[]) => readonly EditResult[]) {
  const sent: Edit[][] = []
  const asked: number[] = []
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    if (path.endsWith('/edits')) {
      const { edits } = JSON.parse(String(init.body))
      sent.push(edits)
      return Response.json({ done: 0, results: results(edits) })
    }
    const numbers = new URLSearchParams(path.split('?')[1]).getAll('number').map(Number)
    asked.push(numbers.length)
    const found = features.filter(({ properties }) => numbers.includes(properties.number ?? 0))
    return Response.json({ features: found, next: null, revision: 3 })
  })
  const queue = new SaveQueue('rk', 's', memoryPendingDb(), () => undefined)
  const editor = new Editor(new AnnotationStore(), queue)
  const live = new Live('s')
  live.begin(3)
  return { groups: new GroupEditor('s', editor, queue, live), editor, queue, live, sent, asked }
}

function groupOf(features: readonly Feature[]) {
  return { numbers: features.map(({ properties }) => properties.number ?? 0), classNames: features.map(() => null) }
}

const done = (edits: readonly Edit[]): EditResult[] => edits.map(() => ({ result: 'done', revision: 8 }))

describe('an edit of many', () => {
  it('leaves out what is locked, and what has the class already', async () => {
    const features = [numbered(1, 'A'), numbered(2, 'B'), numbered(3, 'A', { isLocked: true }), numbered(4)]
    const { groups, sent, queue, live } = setUp(features, done)
    expect(await groups.edit(groupOf(features), { className: 'B' })).toBe(2)
    expect(sent).toEqual([
      [
        { id: 'id-1', revision: 3, class: 'B' },
        { id: 'id-4', revision: 3, class: 'B' },
      ],
    ])
    // The next edit of one of them is based on this one, and tiles are asked for where they are.
    expect(queue.basisOf('id-1')).toBe(8)
    expect([live.revisionAt([2, 0, 3, 1]), live.revisionAt([90, 90, 91, 91])]).toEqual([8, 3])
    live.dispose()
  })

  it('asks for many in parts', async () => {
    const features = Array.from({ length: 1234 }, (_, n) => numbered(n + 1))
    const { groups, asked, sent, live } = setUp(features, done)
    expect(await groups.edit(groupOf(features), 'delete')).toBe(1234)
    expect(asked).toEqual([500, 500, 234])
    expect(sent.map((edits) => edits.length)).toEqual([1234])
    live.dispose()
  })

  it('says what it could not change, and takes back only what it could', async () => {
    const features = [numbered(1, 'A'), numbered(2, 'A'), numbered(3, 'A')]
    const { groups, editor, sent, live } = setUp(features, (edits) =>
      edits.map(({ id }) => (id === 'id-2' ? { result: 'stale', revision: 7 } : { result: 'done', revision: 8 })),
    )
    expect(await groups.edit(groupOf(features), 'delete')).toBe(2)
    expect(editor.notice.value).toContain('1 of 3 objects')
    editor.undo()
    await vi.waitFor(() => expect(sent).toHaveLength(2))
    expect(sent[1]).toEqual([
      { id: 'id-1', revision: 8, delete: false },
      { id: 'id-3', revision: 8, delete: false },
    ])
    live.dispose()
  })

  it('is not begun for more objects than the server takes', async () => {
    const { groups, editor, asked } = setUp([], done)
    const numbers = Array.from({ length: 10_001 }, (_, n) => n + 1)
    expect(await groups.edit({ numbers, classNames: numbers.map(() => null) }, 'delete')).toBe(0)
    expect([asked.length, editor.notice.value]).toEqual([
      0,
      '10,001 objects are selected; at most 10,000 are changed at once.',
    ])
  })

  it('that does not arrive says so and leaves nothing to undo', async () => {
    const features = [numbered(1)]
    const { groups, editor, live } = setUp(features, done)
    const whole = fetch
    vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
      if (path.endsWith('/edits')) throw new TypeError('offline')
      return whole(path, init)
    })
    expect(await groups.edit(groupOf(features), 'delete')).toBe(0)
    expect(editor.notice.value).toBe('The selected objects stay as they are. The server cannot be reached.')
    expect([editor.undoStack.depth.value, groups.busy.value]).toEqual([0, false])
    live.dispose()
  })

  it('whose undo does not arrive says so, and can be undone later', async () => {
    const features = [numbered(1, 'A')]
    const { groups, editor, sent, live } = setUp(features, done)
    expect(await groups.edit(groupOf(features), { className: 'B' })).toBe(1)
    const whole = fetch
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('offline')
    })
    editor.undo()
    await vi.waitFor(() => expect(editor.notice.value).toContain('try it again later. The server cannot be reached.'))
    await vi.waitFor(() => expect(editor.undoStack.depth.value).toBe(1))
    expect(editor.undoStack.redoDepth.value).toBe(0)
    vi.stubGlobal('fetch', whole)
    editor.undo()
    await vi.waitFor(() => expect(sent).toHaveLength(2))
    expect(sent[1]).toEqual([{ id: 'id-1', revision: 8, class: 'A' }])
    live.dispose()
  })

  it('brings deleted objects back as one step that can be undone', async () => {
    const { groups, editor, sent, live } = setUp([], done)
    expect(await groups.bringBack(['x', 'y'], 6, [0, 0, 9, 9])).toBe(2)
    editor.undo()
    await vi.waitFor(() => expect(sent).toHaveLength(2))
    expect(sent).toEqual([
      [
        { id: 'x', revision: 6, delete: false },
        { id: 'y', revision: 6, delete: false },
      ],
      [
        { id: 'x', revision: 8, delete: true },
        { id: 'y', revision: 8, delete: true },
      ],
    ])
    live.dispose()
  })
})
