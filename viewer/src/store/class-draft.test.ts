import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AnnotationClass } from '../model/annotation-class'
import { ClassDraft } from './class-draft'

const named = (name: string, value: number): AnnotationClass => {
  return { name, color: [1, 2, 3], value, priority: 0, hotkey: null, code: null }
}

/** A schema on a server: versions, If-Match, classes that are not named stay. */
class FakeSchema {
  version = 4
  items = [named('Tumour', 1), named('Stroma', 2)]
  readonly bodies: { items: AnnotationClass[] }[] = []

  put(body: { items: AnnotationClass[] }): void {
    this.bodies.push(body)
    this.version++
    const given = new Map(body.items.map((entry) => [entry.name, entry]))
    const kept = this.items.map((entry) => ({ ...entry, ...given.get(entry.name) }))
    const fresh = body.items.filter(({ name }) => !this.items.some((entry) => entry.name === name))
    this.items = [...kept, ...fresh.map((entry, at) => ({ ...entry, value: kept.length + at + 1 }))]
  }

  handle(_: string, init: RequestInit): Response {
    if (init.method === 'GET') return Response.json({ items: this.items, version: this.version })
    if (new Headers(init.headers).get('if-match') !== `"c${this.version}"`) {
      const current = { items: this.items, version: this.version }
      return Response.json({ detail: 'Changed.', code: 'stale', current }, { status: 412 })
    }
    this.put(JSON.parse(String(init.body)))
    return Response.json({ items: this.items, version: this.version })
  }
}

let server: FakeSchema
let draft: ClassDraft

beforeEach(async () => {
  server = new FakeSchema()
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => server.handle(path, init))
  draft = new ClassDraft('p')
  await draft.load()
})
afterEach(() => vi.unstubAllGlobals())

describe('a draft of classes', () => {
  it('sends what is changed and nothing else', async () => {
    expect(draft.changed.value).toEqual([])
    expect(await draft.save()).toBe(false)
    const code = { system: ' SCT', code: '108369006', meaning: 'Neoplasm ' }
    draft.change('Tumour', { color: [9, 9, 9], hotkey: '1', code })
    expect(await draft.save()).toBe(true)
    expect(server.bodies[0]?.items).toEqual([
      {
        name: 'Tumour',
        color: [9, 9, 9],
        priority: 0,
        hotkey: '1',
        code: { system: 'SCT', code: '108369006', meaning: 'Neoplasm' },
      },
    ])
    expect([draft.state.value, draft.changed.value.length]).toEqual(['saved', 0])
  })

  it('takes in new classes, and out again as long as they are not saved', async () => {
    draft.add()
    draft.add()
    const [first, second] = draft.rows.value.slice(2)
    draft.drop(second?.key ?? '')
    draft.drop('Tumour')
    expect(draft.rows.value).toHaveLength(3)
    draft.change(first?.key ?? '', { name: ' Necrosis ' })
    expect(await draft.save()).toBe(true)
    expect(server.items.map(({ name }) => name)).toEqual(['Tumour', 'Stroma', 'Necrosis'])
    expect(draft.rows.value.every(({ isNew }) => !isNew)).toBe(true)
  })

  it('refuses what makes no sense before it is sent', async () => {
    draft.add()
    const key = draft.rows.value[2]?.key ?? ''
    expect(draft.faults.value.get(key)).toContain('needs a name')
    draft.change(key, { name: 'Stroma' })
    expect(draft.faults.value.get(key)).toContain('“Stroma” already')
    draft.change(key, { name: 'X', hotkey: '2' })
    draft.change('Stroma', { hotkey: '2' })
    expect(draft.faults.value.get(key)).toContain('hotkey of “Stroma”')
    draft.change(key, { hotkey: null, code: { system: 'SCT', code: '', meaning: '' } })
    expect(draft.faults.value.get(key)).toContain('three parts')
    expect(await draft.save()).toBe(false)
    expect(server.bodies).toEqual([])
  })

  it('writes over nobody: it says what others have changed, and goes on from there', async () => {
    draft.change('Tumour', { priority: 5 })
    server.put({ items: [{ ...named('Stroma', 2), color: [7, 7, 7] }] })
    expect(await draft.save()).toBe(false)
    expect(draft.theirNames()).toEqual(['Stroma'])
    expect(draft.rows.value[0]?.priority).toBe(5)
    draft.keepMine()
    expect(draft.rows.value[1]?.color).toEqual([7, 7, 7])
    expect(draft.changed.value.map(({ name }) => name)).toEqual(['Tumour'])
    expect(await draft.save()).toBe(true)
    expect(server.items.map(({ priority, color }) => [priority, color])).toEqual([
      [5, [1, 2, 3]],
      [0, [7, 7, 7]],
    ])
  })

  it('gives up what was changed when told to', async () => {
    draft.change('Tumour', { priority: 5 })
    server.put({ items: [named('Gland', 3)] })
    await draft.save()
    draft.takeTheirs()
    expect(draft.rows.value.map(({ name, priority }) => [name, priority])).toEqual([
      ['Tumour', 0],
      ['Stroma', 0],
      ['Gland', 0],
    ])
    expect(draft.changed.value).toEqual([])
  })
})
