import { describe, expect, it } from 'vitest'
import { countFacet, filterSlides, NO_PROJECT } from './facets'
import type { Slide } from './slide'

function slide(name: string, more: Partial<Slide>, ...hints: string[]): Slide {
  const found = hints.map((kind) => ({ kind, share: null, boxes: [], sentence: '' }))
  const quality = { tissue_share: null, focus: null, hints: found }
  return { id: name, name, project: null, mpp_x: 0.5, mpp_plausible: true, quality, ...more } as Slide
}

const slides = [
  slide('a', { project: 'Colon', stain: 'H&E', case: 'K-12' }, 'blur', 'soft'),
  slide('b', { project: 'Colon', stain: 'CDX2', case: 'K-13', patient: 'P7' }),
  slide('c', { stain: 'H&E', mpp_plausible: false }, 'blur'),
  slide('d', {}),
]
const all = { project: null, stain: null, hint: null }

function names(choice: object, search = ''): string {
  return filterSlides(slides, { ...all, ...choice }, search)
    .map(({ name }) => name)
    .join('')
}

describe('facets', () => {
  it('count the slides of each value', () => {
    expect(countFacet(slides, 'project')).toEqual([
      ['Colon', 2],
      [NO_PROJECT, 2],
    ])
    expect(countFacet(slides, 'stain')).toEqual([
      ['CDX2', 1],
      ['H&E', 2],
    ])
    expect(countFacet(slides, 'hint')).toEqual([
      ['out of focus', 2],
      ['pixel size implausible', 1],
      ['soft', 1],
    ])
  })

  it('narrow together', () => {
    expect(names({})).toBe('abcd')
    expect(names({ stain: 'H&E' })).toBe('ac')
    expect(names({ stain: 'H&E', project: 'Colon' })).toBe('a')
    expect(names({ hint: 'pixel size implausible' })).toBe('c')
  })

  it('go with words, which also find cases, patients and stains', () => {
    expect([names({}, 'k-1'), names({}, 'p7 cdx2'), names({ project: 'Colon' }, 'h&e')]).toEqual(['ab', 'b', 'a'])
  })
})
