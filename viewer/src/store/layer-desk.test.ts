import { signal } from '@preact/signals'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LayerInfo } from '../model/annotation-class'
import { Interaction } from './interaction'
import { LayerDesk } from './layer-desk'

let asked: string[] = []
let answer: Response
const layers = signal<readonly LayerInfo[]>([])
const target = signal<string | null>(null)
let interaction: Interaction
let desk: LayerDesk

beforeEach(() => {
  asked = []
  layers.value = [{ name: 'a/b', author: 'rk', kind: 'model', annotations: 3 }]
  target.value = null
  interaction = new Interaction()
  desk = new LayerDesk({ slide: 's', layers, interaction, target })
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push(`${init.method} ${path} ${init.body ?? ''}`.trim())
    return answer
  })
})
afterEach(() => vi.unstubAllGlobals())

const layer = (name: string) => Response.json({ name, author: 'rk', kind: 'task', annotations: 3 })

describe('layers', () => {
  it('are made, and drawn into', async () => {
    answer = layer('new')
    expect(await desk.make('new', 'task')).toBe(true)
    expect(asked).toEqual(['POST /api/slides/s/layers {"name":"new","kind":"task"}'])
    expect([layers.value.map(({ name }) => name), target.value]).toEqual([['a/b', 'new'], 'new'])
  })

  it('stay hidden and drawn into under another name', async () => {
    answer = layer('c')
    desk.drawInto('a/b')
    interaction.toggleLayer('a/b')
    expect(await desk.rename('a/b', 'c')).toBe(true)
    expect(asked).toEqual(['PATCH /api/slides/s/layers/a%2Fb {"name":"c"}'])
    expect([...interaction.hiddenLayers.value]).toEqual(['c'])
    expect(target.value).toBe('c')
  })

  it('give the focus to their new row once', async () => {
    answer = layer('c')
    await desk.rename('a/b', 'c')
    expect([desk.takeRenamed('a/b'), desk.takeRenamed('c'), desk.takeRenamed('c')]).toEqual([false, true, false])
  })

  it('are shown when they are drawn into', () => {
    interaction.toggleLayer('a/b')
    desk.drawInto('a/b')
    expect(interaction.hiddenLayers.value.size).toBe(0)
  })

  it('go away with what is selected on them, and come back', async () => {
    answer = new Response(null, { status: 204 })
    desk.drawInto('a/b')
    interaction.selection.value = 'x'
    expect(await desk.remove('a/b')).toBe(true)
    expect([layers.value, target.value, interaction.selection.value, desk.removed.value]).toEqual([
      [],
      null,
      null,
      'a/b',
    ])
    answer = layer('a/b')
    expect(await desk.restore()).toBe(true)
    expect(asked.at(-1)).toBe('POST /api/slides/s/layers/a%2Fb/restore')
    expect(desk.removed.value).toBeNull()
  })

  it('say what went wrong, and stay as they were', async () => {
    answer = Response.json({ detail: 'Another layer of this slide has this name.' }, { status: 409 })
    expect(await desk.rename('a/b', 'c')).toBe(false)
    expect(desk.problem.value).toBe('Another layer of this slide has this name.')
    expect(layers.value[0]?.name).toBe('a/b')
  })
})
