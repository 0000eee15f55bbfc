import { describe, expect, it } from 'vitest'
import { askable, namedSlides, type Original } from './originals'
import type { Slide } from './slide'

function slide(id: string, more: Partial<Slide>): Slide {
  return { id, name: id, project: null, ...more } as Slide
}

const slides = [
  slide('a', { project: 'Colon', case: 'K-12', patient: 'P-7' }),
  slide('b', { project: 'Colon', case: 'K-13', patient: 'P-7' }),
  slide('c', { project: 'Breast', case: 'K-12', patient: 'P-7' }),
  slide('d', {}),
]
const doe: Original = { kind: 'patient', project: 'Colon', pseudonym: 'P-7', original: 'Doe, Jane' }
const block: Original = { kind: 'case', project: 'Colon', pseudonym: 'K-12', original: '12/3456 A' }
const glass: Original = { kind: 'slide', project: null, pseudonym: 'd', original: 'S-0815' }
const weiss: Original = { kind: 'patient', project: 'Breast', pseudonym: 'P-7', original: 'Weiß' }

function found(answered: string, originals: readonly Original[], text = answered): Record<string, string[]> {
  const named = namedSlides(slides, { text: answered, originals }, text)
  return Object.fromEntries([...named].map(([id, by]) => [id, by.map(({ original }) => original)]))
}

describe('originals', () => {
  it('are asked for with two letters or more, spaces aside, and never with a text that is too long', () => {
    const texts = ['', ' a ', '𝛼', ' do ', 'x'.repeat(200), 'x'.repeat(201)]
    expect(texts.map(askable)).toEqual([null, null, null, 'do', 'x'.repeat(200), null])
  })

  it('lead to the slides of the patient, the case or the slide in the same project', () => {
    expect(found('DOE', [doe])).toEqual({ a: ['Doe, Jane'], b: ['Doe, Jane'] })
    expect(found('3456', [block])).toEqual({ a: ['12/3456 A'] })
    expect(found('0815', [glass])).toEqual({ d: ['S-0815'] })
    expect(found('a', [doe, block])).toEqual({ a: ['12/3456 A', 'Doe, Jane'], b: ['Doe, Jane'] })
  })

  it('are no reason when the pseudonym alone matches', () => {
    expect(found('p-7', [doe])).toEqual({})
    // no letters of the original are these as we compare them, but the server has found it by them
    expect(found('WEISS', [weiss])).toEqual({ c: ['Weiß'] })
  })

  it('serve a longer text until its own answer comes, and no other text', () => {
    expect(found('do', [doe, weiss], 'doe')).toEqual({ a: ['Doe, Jane'], b: ['Doe, Jane'] })
    expect(found('doe', [doe], 'roe')).toEqual({})
  })
})
