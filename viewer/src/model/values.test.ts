import { describe, expect, it } from 'vitest'
import {
  type AnnotationClass,
  classNameOf,
  colorOf,
  cssColor,
  newClass,
  paletteHotkeys,
  UNCLASSIFIED,
} from './annotation-class'
import { COMMANDS, chordOf, commandOf } from './commands'
import { sameContent } from './content'
import type { Feature } from './geojson'
import { newUuid } from './uuid'

const tumour: AnnotationClass = { name: 'Tumour', color: [255, 0, 0], value: 1, priority: 0, hotkey: null }
const feature: Feature = {
  type: 'Feature',
  id: 'f',
  geometry: { type: 'Point', coordinates: [1, 2] },
  properties: { classification: { name: 'Tumour', color: [1, 2, 3] } },
}

describe('classes', () => {
  it('have the colour of the schema, else their own, else none', () => {
    expect(colorOf(feature, new Map([['Tumour', tumour]]))).toEqual([255, 0, 0])
    expect(colorOf(feature, new Map())).toEqual([1, 2, 3])
    expect(colorOf({ ...feature, properties: {} }, new Map())).toBe(UNCLASSIFIED)
    expect(classNameOf({ ...feature, properties: { classification: null } })).toBeNull()
    expect(cssColor([1, 2, 3], 0.5)).toBe('rgb(1 2 3 / 0.5)')
  })

  it('that readers add have colours of their own', () => {
    const classes: AnnotationClass[] = []
    for (let i = 0; i < 12; i++) classes.push(newClass(`c${i}`, classes))
    expect(new Set(classes.slice(0, 8).map(({ color }) => color.join())).size).toBe(8)
    expect(classes).toHaveLength(12)
  })

  it('get the keys that the schema says, then those of their places, then free ones', () => {
    const named = (name: string, hotkey: string | null): AnnotationClass => ({ ...tumour, name, hotkey })
    const keys = paletteHotkeys([named('A', null), named('B', '1'), named('C', 'x'), named('D', '1')])
    expect([...keys].sort()).toEqual([
      ['A', '5'],
      ['B', '1'],
      ['C', '3'],
      ['D', '4'],
    ])
    expect(paletteHotkeys(Array.from({ length: 12 }, (_, i) => named(String(i), null))).size).toBe(9)
  })

  it('keep their keys when one gets another key, and when one is added', () => {
    const named = (name: string, hotkey: string | null = null): AnnotationClass => ({ ...tumour, name, hotkey })
    const names = ['A', 'B', 'C', 'D', 'E', 'F']
    const before = paletteHotkeys(names.map((name) => named(name)))
    const now = names.map((name) => named(name, name === 'B' ? '7' : null))
    const after = paletteHotkeys([...now, named('G')])
    for (const name of ['A', 'C', 'D', 'E', 'F']) expect(after.get(name)).toBe(before.get(name))
    // The new one takes no key that meant another class until now.
    expect([before.get('B'), after.get('B'), after.get('G')]).toEqual(['2', '7', '8'])
  })
})

describe('content', () => {
  it('is geometry, class and name', () => {
    const properties = { ...feature.properties, revision: 7, author: 'x', state: 'draft' }
    expect(sameContent(feature, { ...feature, properties })).toBe(true)
    expect(sameContent(feature, { ...feature, properties: {} })).toBe(false)
    expect(sameContent(feature, { ...feature, properties: { ...properties, name: 'n' } })).toBe(false)
    expect(sameContent(feature, { ...feature, geometry: { type: 'Point', coordinates: [1, 2.0000001] } })).toBe(false)
  })
})

describe('keys', () => {
  const press = (key: string, code = '', more: object = {}): string =>
    chordOf({ key, code, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...more })

  it('are named with their modifiers', () => {
    expect(press('p')).toBe('p')
    expect(press('Z', 'KeyZ', { ctrlKey: true, shiftKey: true })).toBe('ctrl+shift+z')
    expect(press('z', 'KeyZ', { metaKey: true })).toBe('ctrl+z')
    expect(press('!', 'Digit1', { shiftKey: true })).toBe('shift+digit1')
    expect(press('?', 'Slash', { shiftKey: true })).toBe('?')
    expect(press('>', 'Period', { shiftKey: true })).toBe('>')
  })

  it('give one command each', () => {
    const chords = COMMANDS.flatMap((command) => command.chords)
    expect(new Set(chords).size).toBe(chords.length)
    expect(commandOf('p')?.id).toBe('polygon')
    expect(commandOf('q')).toBeNull()
  })
})

describe('ids', () => {
  it('are version 4, also without a secure context', () => {
    const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
    expect(newUuid()).toMatch(pattern)
    const kept = crypto.randomUUID
    Object.defineProperty(crypto, 'randomUUID', { value: undefined, configurable: true })
    try {
      expect(newUuid()).toMatch(pattern)
    } finally {
      Object.defineProperty(crypto, 'randomUUID', { value: kept, configurable: true })
    }
  })
})
