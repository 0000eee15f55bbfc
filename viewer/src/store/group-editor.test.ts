import { IDBFactory } from 'fake-indexeddb'
import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { GroupServer } from '../../test/group-server'
import { groupAfter } from '../model/group-edit'
import type { Group } from '../model/picked'
import { AnnotationStore } from './annotations'
import { Editor } from './editor'
import { GroupEditor } from './group-editor'
import { Live } from './live'
import { openPendingDb } from './pending-db'
import { SaveQueue } from './queue'

let server: GroupServer
let disk: IDBFactory
let stops: (() => void)[]

/** A visit: what is on the disk is all that is left of the ones before. */
async function visit() {
  const queue = new SaveQueue('rk', 's', await openPendingDb(disk), () => undefined)
  const editor = new Editor(new AnnotationStore(), queue)
  const live = new Live('s')
  live.begin(3)
  const groups = new GroupEditor(editor, queue, live)
  await queue.restore()
  groups.restore()
  stops.push(() => {
    live.dispose()
    queue.dispose()
  })
  return { queue, editor, live, groups }
}

function groupOf(numbers: readonly number[], className: string | null = 'A', seen = 3): Group {
  const each = <T>(value: T): T[] => numbers.map(() => value)
  return { numbers, classNames: each(className), layers: each('l'), seen: each(seen) }
}

/** Wait until everything that is in the queue is on the disk, and nothing is under way. */
async function rest(queue: SaveQueue): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5))
  await queue.flush()
}

beforeEach(() => {
  server = new GroupServer()
  server.install()
  disk = new IDBFactory()
  stops = []
  for (const number of [1, 2, 3]) server.add(number, 'A')
})
afterEach(() => {
  for (const stop of stops) stop()
  vi.unstubAllGlobals()
})

describe('an edit of many', () => {
  it('leaves out what is locked, and what has the class already', async () => {
    server.add(4, 'B')
    server.add(5, 'A', { isLocked: true })
    const { groups, queue, live, editor } = await visit()
    groups.edit(groupOf([1, 4, 5, 2]), { className: 'B' })
    await rest(queue)
    expect(server.sent).toEqual([
      [
        { id: 'id-1', revision: 3, class: 'B' },
        { id: 'id-2', revision: 3, class: 'B' },
      ],
    ])
    expect(editor.notice.value).toBe('1 of 3 objects stay as they are: 1 is locked.')
    // The next edit of one of them is based on this one, and tiles are asked for where they are.
    expect([queue.basisOf('id-1'), queue.state.value, queue.revision.value]).toEqual([4, 'saved', 4])
    expect([live.revisionAt([2, 0, 3, 1]), live.revisionAt([90, 90, 91, 91])]).toEqual([4, 3])
  })

  it('is shown and counted before the server knows of it, until tiles have it', async () => {
    server.accident = 'offline'
    const { groups, queue } = await visit()
    groups.edit(groupOf([1, 2]), { className: 'B' })
    groups.edit(groupOf([3]), 'delete')
    const behind = { gone: [3], reclassed: [{ numbers: [1, 2], className: 'B' }] }
    expect(groups.view.behindOf(1)).toMatchObject(behind)
    const counted = () => {
      const sums: Record<string, number> = {}
      for (const { className, count } of groups.view.difference(1, new Set())) {
        sums[String(className)] = (sums[String(className)] ?? 0) + count
      }
      return sums
    }
    expect(counted()).toEqual({ A: -3, B: 2 })
    await rest(queue)
    expect([queue.state.value, queue.waiting.value]).toEqual(['offline', 3])
    server.accident = 'none'
    await rest(queue)
    expect([1, 2, 3].map((number) => server.classOf(number))).toEqual(['B', 'B', undefined])
    expect(groups.view.behindOf(1)).toMatchObject(behind)
    groups.view.settle(1)
    expect(groups.view.changes.value).toHaveLength(2)
    groups.view.settle(2)
    expect(groups.view.changes.value).toEqual([])
  })

  it('outlives the page, and is sent by the next visit in the order of editing', async () => {
    server.accident = 'offline'
    const first = await visit()
    first.groups.edit(groupOf([1, 2]), { className: 'B' })
    first.groups.edit(groupOf([2], 'B'), { state: 'approved' })
    await rest(first.queue)
    first.queue.dispose()
    server.accident = 'none'
    const second = await visit()
    expect(second.queue.waiting.value).toBe(3)
    expect(second.groups.view.behindOf(1).reclassed).toEqual([{ numbers: [1, 2], className: 'B' }])
    await rest(second.queue)
    expect([server.classOf(1), server.classOf(2), server.stateOf(1), server.stateOf(2)]).toEqual([
      ...['B', 'B', undefined, 'approved'],
    ])
    expect(second.queue.state.value).toBe('saved')
    expect((await visit()).queue.groups.value.size).toBe(0)
  })

  it('of more than the server takes at once is sent in parts, and is one step', async () => {
    const numbers = Array.from({ length: 10_002 }, (_, n) => n + 1)
    for (const number of numbers) server.add(number, 'A')
    const { groups, queue, editor } = await visit()
    groups.edit(groupOf(numbers), { className: 'B' })
    await rest(queue)
    expect(server.asked.slice(0, 21)).toEqual([...Array.from({ length: 20 }, () => 500), 2])
    expect(server.sent.map((edits) => edits.length)).toEqual([10_000, 2])
    expect(editor.undoStack.depth.value).toBe(1)
    editor.undo()
    await rest(queue)
    expect([1, 10_002].map((number) => server.classOf(number))).toEqual(['A', 'A'])
  })

  it('is not begun for more than is changed at once', async () => {
    const { groups, editor, queue } = await visit()
    expect(groups.edit(groupOf(Array.from({ length: 50_001 }, (_, n) => n + 1)), 'delete')).toBe(0)
    expect(editor.notice.value).toBe('50,001 objects are selected; at most 50,000 are changed at once.')
    expect(queue.groups.value.size).toBe(0)
  })
})

describe('undo of an edit of many', () => {
  it('takes back what was done, and makes it again', async () => {
    server.write(2, 'C', 'rk')
    const { groups, queue, editor } = await visit()
    groups.edit(groupOf([1, 2], 'A', 4), { className: 'B' })
    await rest(queue)
    editor.undo()
    await rest(queue)
    expect([server.classOf(1), server.classOf(2)]).toEqual(['A', 'C'])
    editor.redo()
    await rest(queue)
    expect([server.classOf(1), server.classOf(2)]).toEqual(['B', 'B'])
    groups.edit(groupOf([1, 2], 'B', 9), 'delete')
    await rest(queue)
    editor.undo()
    await rest(queue)
    expect([server.classOf(1), server.classOf(2)]).toEqual(['B', 'B'])
  })

  it('tells at each step what becomes of the objects, and what others have made of those that stay', async () => {
    const { groups, queue, editor } = await visit()
    let group: Group | null = groupOf([1, 2, 3])
    groups.became = (fates) => {
      if (group) group = groupAfter(group, fates)
    }
    groups.edit(group, { className: 'B' })
    expect(group?.classNames).toEqual(['B', 'B', 'B'])
    // Not sent yet, and taken back: the same class can be given again.
    editor.undo()
    expect(group?.classNames).toEqual(['A', 'A', 'A'])
    editor.redo()
    await rest(queue)
    editor.undo()
    await rest(queue)
    expect(group?.classNames).toEqual(['A', 'A', 'A'])
    server.write(1, 'C')
    server.write(2, undefined)
    expect(groups.edit(group as Group, { className: 'B' })).toBe(3)
    await rest(queue)
    // What an earlier change has come to says nothing of what a later one wants.
    const told: (string | null)[] = []
    groups.became = (fates) => {
      const fate = fates.get(3)
      if (fate && 'className' in fate) told.push(fate.className)
    }
    server.write(3, 'B', 'rk')
    groups.edit(groupOf([3], 'B', server.revision), { className: 'D' })
    groups.edit(groupOf([3], 'D', server.revision), { className: 'E' })
    await rest(queue)
    expect(told).toEqual(['D', 'E', 'E'])
    expect([group?.numbers, group?.classNames]).toEqual([
      [1, 3],
      ['C', 'B'],
    ])
  })

  it('of which nothing comes is not used up, nor is doing it again', async () => {
    const { groups, queue, editor } = await visit()
    const depths = (): number[] => [editor.undoStack.depth.value, editor.undoStack.redoDepth.value]
    groups.edit(groupOf([1, 2]), { className: 'B' })
    await rest(queue)
    server.setLayer(false)
    editor.undo()
    await rest(queue)
    expect(editor.notice.value).toContain('2 have been deleted meanwhile')
    expect([...depths(), queue.state.value]).toEqual([1, 0, 'saved'])
    server.setLayer(true)
    editor.undo()
    await rest(queue)
    expect([server.classOf(1), server.classOf(2), ...depths()]).toEqual(['A', 'A', 0, 1])
    server.setLayer(false)
    editor.redo()
    await rest(queue)
    expect(depths()).toEqual([0, 1])
    server.setLayer(true)
    editor.redo()
    await rest(queue)
    expect([server.classOf(1), server.classOf(2), ...depths()]).toEqual(['B', 'B', 1, 0])
  })

  it('before it has left never sends it', async () => {
    server.accident = 'offline'
    const { groups, queue, editor } = await visit()
    groups.edit(groupOf([1, 2]), 'delete')
    await rest(queue)
    editor.undo()
    await vi.waitFor(() => expect(queue.groups.value.size).toBe(0))
    expect([groups.view.behindOf(1).gone, queue.state.value]).toEqual([[], 'saved'])
    server.accident = 'none'
    await rest(queue)
    expect(server.sent).toEqual([])
    editor.redo()
    await rest(queue)
    expect([server.classOf(1), editor.undoStack.depth.value]).toEqual([undefined, 1])
  })

  it('while nobody knows whether it has arrived takes back what has', async () => {
    server.accident = 'lost-answer'
    const { groups, queue, editor } = await visit()
    groups.edit(groupOf([1, 2]), 'delete')
    await rest(queue)
    expect([server.classOf(1), queue.state.value]).toEqual([undefined, 'offline'])
    editor.undo()
    await rest(queue)
    // The page goes, and the next visit ends both.
    queue.dispose()
    server.accident = 'none'
    const next = await visit()
    await rest(next.queue)
    expect([server.classOf(1), server.classOf(2), next.queue.state.value]).toEqual(['A', 'A', 'saved'])
  })
})

describe('a lost answer to an edit of many', () => {
  it('counts as done where all is as it is wanted', async () => {
    server.accident = 'lost-answer'
    const { groups, queue, editor } = await visit()
    groups.edit(groupOf([1, 2]), { className: 'B' })
    await rest(queue)
    server.accident = 'none'
    server.write(2, 'C')
    await rest(queue)
    expect([queue.state.value, server.revision]).toEqual(['conflict', 5])
    expect([...queue.groups.value.values()][0]?.left).toMatchObject([{ number: 2, className: 'C', author: 'other' }])
    editor.undo()
    await rest(queue)
    expect([server.classOf(1), server.classOf(2)]).toEqual(['A', 'C'])
  })
})

describe('objects that others have changed', () => {
  async function overtaken() {
    const page = await visit()
    server.write(2, 'C')
    server.write(3, undefined)
    page.groups.edit(groupOf([1, 2, 3]), { className: 'B' })
    await rest(page.queue)
    return page
  }

  it('stay as they are, and are told one by one, also after a reload', async () => {
    const { editor, queue } = await overtaken()
    expect([1, 2, 3].map((number) => server.classOf(number))).toEqual(['B', 'C', undefined])
    expect(editor.notice.value).toBe(
      '2 of 3 objects stay as they are: others have changed 1 meanwhile; 1 has been deleted meanwhile. The button “Conflict” above shows them.',
    )
    queue.dispose()
    const [record] = [...(await visit()).queue.groups.value.values()]
    expect(record).toMatchObject({
      status: 'conflict',
      left: [
        { number: 2, isGone: false },
        { number: 3, isGone: true },
      ],
    })
  })

  it('get the change all the same when the reader says so, and one undo takes all back', async () => {
    const { queue, editor, groups } = await overtaken()
    let group: Group | null = groupOf([1, 2], 'C')
    groups.became = (fates) => {
      if (group) group = groupAfter(group, fates)
    }
    const [id = ''] = queue.groups.value.keys()
    await queue.resolveGroup(id, 'mine')
    await rest(queue)
    expect([server.classOf(2), queue.state.value, group?.classNames]).toEqual(['B', 'saved', ['C', 'B']])
    // Nothing sends to a button any more that is not there.
    expect(editor.notice.value).toBe('')
    editor.undo()
    await rest(queue)
    expect([server.classOf(1), server.classOf(2)]).toEqual(['A', 'C'])
  })

  it('are left alone when the reader says so', async () => {
    const { editor, queue } = await overtaken()
    const [id = ''] = queue.groups.value.keys()
    await queue.resolveGroup(id, 'theirs')
    expect([server.classOf(2), queue.state.value, queue.groups.value.size]).toEqual(['C', 'saved', 0])
    expect(editor.notice.value).toBe('')
  })

  it('between the look and the edit are found by the server', async () => {
    const { groups, queue } = await visit()
    server.beforeEdits = () => {
      if (server.sent.length === 0) server.write(1, 'C')
    }
    groups.edit(groupOf([1, 2]), { className: 'B' })
    await rest(queue)
    expect([server.classOf(1), server.classOf(2), queue.state.value]).toEqual(['C', 'B', 'conflict'])
  })

  it('in another window of the reader count as done', async () => {
    server.write(1, 'B', 'rk')
    const { groups, queue, editor } = await visit()
    groups.edit(groupOf([1]), { className: 'B' })
    await rest(queue)
    expect([queue.state.value, server.sent.length]).toEqual(['saved', 0])
    editor.undo()
    await rest(queue)
    expect(server.classOf(1)).toBe('A')
  })
})

describe('an edit of many that is refused', () => {
  it('waits with its reason until the reader tries again or gives it up', async () => {
    server.accident = { status: 422, detail: 'The name is too long.' }
    const { groups, queue, editor } = await visit()
    groups.edit(groupOf([1]), { className: 'B' })
    await rest(queue)
    expect([queue.state.value, editor.notice.value]).toEqual([
      'conflict',
      'Objects could not become “B”: The name is too long.',
    ])
    expect(groups.view.changes.value).toEqual([])
    server.accident = 'none'
    const [id = ''] = queue.groups.value.keys()
    await queue.resolveGroup(id, 'mine')
    await rest(queue)
    expect([server.classOf(1), queue.state.value]).toEqual(['B', 'saved'])
  })
})

describe('deleted objects', () => {
  it('come back as one step that can be undone', async () => {
    server.write(1, undefined)
    server.write(2, undefined)
    const { groups, queue, editor } = await visit()
    expect(await groups.bringBack(['id-1'], 4, [0, 0, 9, 9])).toBe(1)
    expect([server.classOf(1), server.classOf(2)]).toEqual(['A', undefined])
    editor.undo()
    await rest(queue)
    expect(server.classOf(1)).toBeUndefined()
  })

  it('come back later without a connection', async () => {
    server.write(1, undefined)
    server.accident = 'offline'
    const { groups, queue } = await visit()
    expect(await groups.bringBack(['id-1'], 4, [0, 0, 9, 9])).toBe(0)
    server.accident = 'none'
    await rest(queue)
    expect(server.classOf(1)).toBe('A')
  })
})
