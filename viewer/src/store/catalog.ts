/** The gallery's slides: loaded page by page, filtered by project and search. */
import { computed, signal } from '@preact/signals'
import { listSlides } from '../api/slides'
import type { Slide } from '../model/slide'

export type LoadState = 'loading' | 'ready' | 'failed'

/** Slides without a project are listed under this name. */
export const NO_PROJECT = 'No project'

function projectOf(slide: Slide): string {
  return slide.project || NO_PROJECT
}

export class Catalog {
  readonly slides = signal<readonly Slide[]>([])
  readonly state = signal<LoadState>('loading')
  readonly failure = signal('')
  readonly project = signal<string | null>(null)
  readonly search = signal('')

  /** Projects with their number of slides, by name. */
  readonly projects = computed(() => {
    const counts = new Map<string, number>()
    for (const slide of this.slides.value) counts.set(projectOf(slide), (counts.get(projectOf(slide)) ?? 0) + 1)
    return [...counts].sort(([a], [b]) => a.localeCompare(b))
  })

  /** The slides that the chosen project and the words of the search leave. */
  readonly shown = computed(() => {
    const words = this.search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean)
    const project = this.project.value
    return this.slides.value.filter((slide) => {
      const text = `${slide.name} ${projectOf(slide)} ${slide.id}`.toLocaleLowerCase()
      return (project === null || projectOf(slide) === project) && words.every((word) => text.includes(word))
    })
  })

  async load(signal: AbortSignal): Promise<void> {
    this.state.value = 'loading'
    const slides: Slide[] = []
    try {
      for await (const page of listSlides(signal)) {
        slides.push(...page)
        this.slides.value = [...slides]
      }
      this.state.value = 'ready'
    } catch (error) {
      if (signal.aborted) return
      this.failure.value = error instanceof Error ? error.message : 'The slides could not be loaded.'
      this.state.value = 'failed'
    }
  }
}
