/** By what the gallery's slides are told apart: project, stain, quality, and the words of a search. */
import { badgesOf, hintLabel } from './quality'
import type { Slide } from './slide'

/** Slides without a project are listed under this name. */
export const NO_PROJECT = 'No project'

export type Facet = 'project' | 'stain' | 'hint'

/** What was chosen of each facet; null is everything. */
export type Choice = Readonly<Record<Facet, string | null>>

/** Each value of a facet with its number of slides, by name. */
export type FacetCounts = readonly (readonly [string, number])[]

export function projectOf(slide: Slide): string {
  return slide.project || NO_PROJECT
}

function valuesOf(slide: Slide, facet: Facet): readonly string[] {
  if (facet === 'project') return [projectOf(slide)]
  if (facet === 'stain') return slide.stain ? [slide.stain] : []
  return [...new Set(badgesOf(slide).map(({ kind }) => hintLabel(kind)))]
}

export function countFacet(slides: readonly Slide[], facet: Facet): FacetCounts {
  const counts = new Map<string, number>()
  for (const slide of slides) {
    for (const value of valuesOf(slide, facet)) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b))
}

function textOf(slide: Slide): string {
  const words = [slide.name, projectOf(slide), slide.id, slide.case, slide.patient, slide.stain]
  return words.filter(Boolean).join(' ').toLocaleLowerCase()
}

/** The slides that the choice and every word of the search leave. */
export function filterSlides(slides: readonly Slide[], choice: Choice, search: string): Slide[] {
  const words = search.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  const facets: readonly Facet[] = ['project', 'stain', 'hint']
  return slides.filter((slide) => {
    const chosen = facets.every((facet) => {
      const wanted = choice[facet]
      return wanted === null || valuesOf(slide, facet).includes(wanted)
    })
    const text = textOf(slide)
    return chosen && words.every((word) => text.includes(word))
  })
}
