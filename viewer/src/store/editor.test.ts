import { describe, expect, it } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Feature } from '../model/geojson'
import { AnnotationStore } from './annotations'
import { Editor } from './editor'
import type { Pending } from './pending'
import type { SaveQueue } from './queue'
import { type GroupChange, GroupWork, UndoStack } from './undo'

const tumour = { name: 'Tumour', color: [255, 0, 0], value: 1, priority: 0, hotkey: null } as const

/** An editor whose queue only writes down what it was asked for. */
function setUp(): { store: AnnotationStore; editor: Editor; asked: [string, Feature | null][] } {
  const store = new AnnotationStore()
  const asked: [string, Feature | null][] = []
  const queue = {
    enqueue: async (id: string, desired: Feature | null) => void asked.push([id, desired]),
    resolve: async (id: string, choice: string) =>
      choice === 'theirs' ? featureOf('a', square(9, 9, 9)) : (store.get(id) ?? null),
  }
  return { store, asked, editor: new Editor(store, queue as unknown as SaveQueue) }
}

describe('undo and redo', () => {
  it('go back and forth over creating, reshaping, classing and deleting', () => {
    const { store, editor, asked } = setUp()
    const id = editor.create(square(0, 0, 1), tumour)
    editor.reshape(id, square(0, 0, 2))
    editor.classify(id, null)
    editor.delete(id)
    const states = asked.map(([, desired]) => desired)
    expect(editor.undoStack.depth.value).toBe(4)
    for (const expected of [states[2], states[1], states[0], null]) {
      expect(editor.undo()).toBe(id)
      expect(store.get(id) ?? null).toEqual(expected)
      expect(asked.at(-1)).toEqual([id, expected])
    }
    expect(editor.undo()).toBeNull()
    for (const expected of states) {
      editor.redo()
      expect(store.get(id) ?? null).toEqual(expected)
    }
    expect(editor.redo()).toBeNull()
    expect(asked).toHaveLength(12)
  })

  it('forget what was undone once something new is done', () => {
    const { editor } = setUp()
    const id = editor.create(square(0, 0, 1), null)
    editor.reshape(id, square(0, 0, 2))
    editor.undo()
    editor.reshape(id, square(0, 0, 3))
    expect([editor.undoStack.depth.value, editor.undoStack.redoDepth.value]).toEqual([2, 0])
  })

  it('take a change of many back as one step', () => {
    const { editor } = setUp()
    const carried: GroupChange[] = []
    editor.repeatGroup = (change) => void carried.push(change)
    const memberOf = (id: string, className: string | null) => ({
      ...{ number: 1, id, seen: 1, className, state: null, layer: '' },
    })
    const work = new GroupWork([memberOf('a', null), memberOf('b', 'Stroma')])
    editor.undoStack.push({ work, action: { className: 'Tumour' }, isBack: false })
    expect(editor.undo()).toBeNull()
    editor.redo()
    expect(carried.map(({ isBack }) => isBack)).toEqual([true, false])
    expect(editor.undoStack.depth.value).toBe(1)
    // Somebody else's version of one of them was taken: it is no matter of this step any more.
    editor.undoStack.forget('a')
    editor.undo()
    expect(carried.at(-1)?.work.members).toEqual([memberOf('b', 'Stroma')])
    editor.undoStack.forget('b')
    expect(editor.undoStack.redoDepth.value).toBe(0)
  })

  it('keep the last thousand changes', () => {
    const stack = new UndoStack()
    for (let i = 0; i < 1200; i++) stack.push({ id: String(i), before: null, after: null })
    expect(stack.depth.value).toBe(1000)
    expect(stack.undo()).toEqual({ id: '1199', before: null, after: null })
  })
})

describe('editing', () => {
  it('gives and takes the class with its colour, and touches no other property', () => {
    const { store, editor } = setUp()
    store.set({ ...featureOf('a', square(0, 0, 1)), properties: { measurements: { x: 1 }, state: 'draft' } })
    editor.classify('a', tumour)
    expect(store.get('a')?.properties).toEqual({
      measurements: { x: 1 },
      state: 'draft',
      classification: { name: 'Tumour', color: [255, 0, 0] },
    })
    editor.classify('a', null)
    expect(store.get('a')?.properties).toEqual({ measurements: { x: 1 }, state: 'draft' })
  })

  it('of what is not there does nothing', () => {
    const { editor, asked } = setUp()
    editor.reshape('x', square(0, 0, 1))
    editor.classify('x', tumour)
    editor.delete('x')
    expect([asked.length, editor.undoStack.depth.value]).toEqual([0, 0])
  })

  it('shows what the server has made of an object, and says so', () => {
    const { store, editor } = setUp()
    editor.saved('a', featureOf('a', square(3, 3, 3)), 'It crossed itself.')
    expect(store.get('a')?.geometry).toEqual(square(3, 3, 3))
    expect(editor.notice.value).toBe('It crossed itself.')
    editor.saved('a', null, '')
    expect(store.get('a')).toBeUndefined()
  })

  it('gives theirs back when keeping mine is undone, and mine when that is done again', async () => {
    const { store, editor, asked } = setUp()
    store.set(featureOf('a', square(0, 0, 1), 'Tumour'))
    editor.reshape('a', square(1, 1, 1))
    editor.reshape('a', square(2, 2, 2))
    const mine = store.get('a') ?? null
    for (const feature of [featureOf('a', square(0, 0, 1), 'Stroma'), null]) {
      await editor.resolve({ id: 'a', desired: mine, theirs: { feature, revision: 7 } } as Pending, 'mine')
      expect(store.get('a')).toEqual(mine)
      expect(editor.undo()).toBe('a')
      expect(store.get('a') ?? null).toEqual(feature)
      expect(asked.at(-1)).toEqual(['a', feature])
      // No step before knows what they have made of it.
      expect(editor.undoStack.depth.value).toBe(0)
      editor.redo()
      expect(asked.at(-1)).toEqual(['a', mine])
    }
  })

  it('keeps both forms of an object in conflict, mine under a new id', async () => {
    const { store, editor, asked } = setUp()
    const mine = featureOf('a', square(1, 1, 1), 'Tumour')
    store.set(mine)
    const taken: unknown[] = []
    editor.tookTheirs = (...theirs) => taken.push(theirs)
    const theirs = { feature: featureOf('a', square(9, 9, 9)), revision: 7 }
    const settled = editor.resolve({ id: 'a', desired: mine, theirs } as Pending, 'both')
    // The copy is in the queue before the conflict is taken out of it.
    expect(asked).toHaveLength(1)
    await settled
    expect(store.get('a')?.geometry).toEqual(square(9, 9, 9))
    expect(taken).toEqual([['a', theirs.feature, 7]])
    const [id, copy] = asked[0] ?? ['', null]
    expect(id).not.toBe('a')
    expect(copy).toEqual({ ...mine, id })
    expect(store.size).toBe(2)
  })
})
