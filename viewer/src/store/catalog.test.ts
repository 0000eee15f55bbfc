import { afterEach, describe, expect, it, vi } from 'vitest'
import { NO_PROJECT } from '../model/facets'
import type { Slide } from '../model/slide'
import { Catalog } from './catalog'

function slide(name: string, project: string | null): Slide {
  return { id: name, name, project } as Slide
}

const slides = [slide('C-1 HE', 'Colon'), slide('C-2 CDX2', 'Colon'), slide('B-1 HE', 'Breast'), slide('x', null)]

/** Gives the slides two by two. */
function serve(): void {
  vi.stubGlobal('fetch', async (path: string) => {
    const from = Number(new URL(path, 'http://x').searchParams.get('cursor') ?? 0)
    return Response.json({
      items: slides.slice(from, from + 2),
      next: from + 2 < slides.length ? String(from + 2) : null,
    })
  })
}

afterEach(() => vi.unstubAllGlobals())

describe('the gallery', () => {
  it('loads every page', async () => {
    serve()
    const catalog = new Catalog()
    await catalog.load(new AbortController().signal)
    expect(catalog.slides.value.map(({ name }) => name)).toEqual(slides.map(({ name }) => name))
    expect(catalog.state.value).toBe('ready')
    expect(catalog.projects.value).toEqual([
      ['Breast', 1],
      ['Colon', 2],
      [NO_PROJECT, 1],
    ])
  })

  it('filters by project and by every word of the search', async () => {
    serve()
    const catalog = new Catalog()
    await catalog.load(new AbortController().signal)
    const names = (): string[] => catalog.shown.value.map(({ name }) => name)
    catalog.search.value = ' he '
    expect(names()).toEqual(['C-1 HE', 'B-1 HE'])
    catalog.chosen.project.value = 'Colon'
    expect(names()).toEqual(['C-1 HE'])
    catalog.search.value = 'cdx2 c-2'
    expect(names()).toEqual(['C-2 CDX2'])
  })

  it('says why it could not load', async () => {
    vi.stubGlobal('fetch', async () => Response.json({ detail: 'Not now.' }, { status: 503 }))
    const catalog = new Catalog()
    await catalog.load(new AbortController().signal)
    expect([catalog.state.value, catalog.failure.value]).toEqual(['failed', 'Not now.'])
  })
})
