/** The gallery's slides: loaded page by page, filtered by facets and search, kept current. */
import { computed, type Signal, signal } from '@preact/signals'
import { ApiError, NetworkError } from '../api/http'
import { listJobs, watchJobs } from '../api/jobs'
import { listSlides } from '../api/slides'
import { countFacet, type Facet, filterSlides } from '../model/facets'
import { isOver, type Job, shareOf } from '../model/job'
import { namedSlides } from '../model/originals'
import { isBuilding, type Slide } from '../model/slide'
import { OriginalSearch } from './originals'

export type LoadState = 'loading' | 'ready' | 'failed'

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** How often the list is looked at again: soon while a slide is being built, seldom else. */
const SOON_MS = 3000
const SELDOM_MS = 20_000
const RUNNING_PAGE = 50

export class Catalog {
  readonly slides = signal<readonly Slide[]>([])
  readonly state = signal<LoadState>('loading')
  readonly failure = signal('')
  readonly chosen: Readonly<Record<Facet, Signal<string | null>>> = {
    project: signal(null),
    stain: signal(null),
    hint: signal(null),
  }
  readonly search = signal('')
  /** Jobs that wait or run, by id; empty for those who may not see jobs. */
  readonly running = signal<ReadonlyMap<string, Job>>(new Map())

  /** Projects with their number of slides, by name. */
  readonly projects = computed(() => countFacet(this.slides.value, 'project'))

  /** Finds nothing unless it is told to follow the search. */
  readonly originals = new OriginalSearch()

  /** By slide, the originals by which the search finds it. */
  readonly named = computed(() => {
    return namedSlides(this.slides.value, this.originals.found.value, this.search.value.trim())
  })

  /** The slides that the chosen facets and the words of the search leave, with those that an original leads to. */
  readonly shown = computed(() => {
    const { project, stain, hint } = this.chosen
    const choice = { project: project.value, stain: stain.value, hint: hint.value }
    const found = filterSlides(this.slides.value, choice, this.search.value)
    const named = this.named.value
    if (named.size === 0) return found
    const here = new Set(found)
    return filterSlides(this.slides.value, choice, '').filter((slide) => here.has(slide) || named.has(slide.id))
  })

  /** How much of a slide's levels is built, 0 to 1; null when that is not known here. */
  builtShare(slide: string): number | null {
    for (const job of this.running.value.values()) if (job.slides.includes(slide)) return shareOf(job)
    return null
  }

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

  /** Keep the list current while somebody looks at it: at once after an ingest job for those who may see jobs. */
  async follow(signal: AbortSignal, seesJobs: boolean): Promise<void> {
    if (signal.aborted) return
    if (seesJobs) signal.addEventListener('abort', this.followJobs(signal))
    while (!signal.aborted) {
      const building = this.slides.peek().some(isBuilding)
      await pause(building ? SOON_MS : SELDOM_MS, signal)
      if (!signal.aborted && this.state.peek() === 'ready' && !document.hidden) await this.refresh(signal)
    }
  }

  private followJobs(signal: AbortSignal): () => void {
    const take = (job: Job): void => {
      const before = this.running.peek().get(job.id)
      const running = new Map(this.running.peek())
      if (isOver(job)) running.delete(job.id)
      else running.set(job.id, job)
      this.running.value = running
      // A slide is there to be looked at long before the last of its levels is built.
      if (before?.slides.length !== job.slides.length || (before && isOver(job))) void this.refresh(signal)
    }
    return watchJobs({
      onJob: take,
      onRemoved: (id) => {
        const running = new Map(this.running.peek())
        running.delete(id)
        this.running.value = running
      },
      onOpen: () => {
        this.running.value = new Map()
        // What runs is among the newest; a courtesy that may fail.
        const newest = listJobs(RUNNING_PAGE, null, signal)
        newest.then(({ items }) => items.filter((job) => !isOver(job)).forEach(take)).catch(() => undefined)
      },
      onBreak: () => undefined,
    })
  }

  /** Load the list anew without showing that; when it cannot be had now, the old one stays. */
  async refresh(signal: AbortSignal): Promise<void> {
    const slides: Slide[] = []
    try {
      for await (const page of listSlides(signal)) slides.push(...page)
      this.slides.value = slides
    } catch (error) {
      if (!(error instanceof NetworkError || error instanceof ApiError || signal.aborted)) throw error
    }
  }
}
