import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Slide } from '../model/slide'
import { Catalog } from './catalog'

const slides = [
  { id: 'a', name: 'HE doe-like', project: 'Colon', case: 'K-1', stain: 'H&E' },
  { id: 'b', name: 'CDX2', project: 'Colon', case: 'K-2', stain: 'CDX2' },
  { id: 'c', name: 'other', project: 'Breast', case: 'K-2', stain: 'H&E' },
] as Slide[]
const doe = { kind: 'case', project: 'Colon', pseudonym: 'K-2', original: 'Doe 4711', slides: [] }

interface Asked {
  readonly path: string
  readonly method: string
  readonly body: unknown
  readonly signal: AbortSignal
  readonly answer: (response: Response) => void
}

let asked: Asked[]
let catalog: Catalog
let stop: () => void

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  // A server that answers when the test says so, also to those who do not want to know any more.
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    return new Promise<Response>((answer) => {
      const signal = init.signal as AbortSignal
      asked.push({ path, method: String(init.method), body: JSON.parse(String(init.body)), signal, answer })
    })
  })
  catalog = new Catalog()
  catalog.slides.value = slides
  stop = catalog.originals.follow(catalog.search)
})

afterEach(() => {
  stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function shown(): string {
  return catalog.shown.value.map(({ id }) => id).join('')
}

function named(): string {
  return [...catalog.named.value.keys()].join('')
}

async function rest(): Promise<void> {
  await vi.advanceTimersByTimeAsync(1000)
}

async function answer(body: object, status = 200, nth = -1): Promise<void> {
  asked.at(nth)?.answer(Response.json(body, { status }))
  await vi.advanceTimersByTimeAsync(0)
}

describe('the search by originals', () => {
  it('asks by a body once somebody has stopped typing, and adds slides to those that are found here', async () => {
    for (const text of ['d', 'do', 'doe']) {
      catalog.search.value = text
      await vi.advanceTimersByTimeAsync(50)
    }
    expect([shown(), asked]).toEqual(['a', []])
    await rest()
    expect(asked.map(({ path, method, body }) => [path, method, body])).toEqual([
      ['/api/pseudonyms/search', 'POST', { q: 'doe', limit: 1000 }],
    ])
    await answer({ items: [doe], next: null })
    expect([shown(), named(), catalog.originals.caveat.value]).toEqual(['ab', 'b', ''])
    catalog.chosen.stain.value = 'H&E'
    expect(shown()).toBe('a')
  })

  it('lets an outdated request go, and takes nothing that it says', async () => {
    catalog.search.value = 'doe'
    await rest()
    catalog.search.value = 'doe 4'
    expect(asked[0]?.signal.aborted).toBe(true)
    await rest()
    await answer({ items: [doe], next: '1000' }, 200, 0)
    expect([shown(), named(), catalog.originals.caveat.value]).toEqual(['', '', ''])
    await answer({ items: [doe], next: null }, 200, 1)
    expect(shown()).toBe('b')
  })

  it('says what it could not do, and the search among the slides goes on', async () => {
    catalog.search.value = 'doe'
    await rest()
    await answer({ detail: 'No.' }, 503)
    expect([shown(), catalog.originals.caveat.value]).toEqual(['a', 'Original names cannot be searched now.'])
    catalog.search.value = 'doe-'
    expect([shown(), catalog.originals.caveat.value]).toEqual(['a', ''])
    catalog.search.value = 'do'
    await rest()
    await answer({ items: [doe], next: '1000' })
    expect(shown()).toBe('ab')
    expect(catalog.originals.caveat.value).toContain('type more')
  })

  it('forgets what it found when the field is emptied and when the gallery is left', async () => {
    const empty = (): void => {
      catalog.search.value = ''
    }
    for (const leave of [empty, stop]) {
      catalog.search.value = 'doe'
      await rest()
      await answer({ items: [doe], next: null })
      expect(named()).toBe('b')
      leave()
      expect([named(), catalog.originals.found.value.originals]).toEqual(['', []])
    }
  })
})
