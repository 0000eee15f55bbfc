import type { AnnotationClass, LayerInfo } from '../model/annotation-class'
import type { SlideSamples } from '../model/samples'
import type { Slide } from '../model/slide'
import { request } from './http'

interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

function slideApi(id: string): string {
  return `/api/slides/${encodeURIComponent(id)}`
}

/** All pages of a list, one after the other. */
async function* pagesOf<T>(path: string, signal?: AbortSignal): AsyncGenerator<readonly T[]> {
  let cursor: string | null = null
  do {
    const query: string = cursor === null ? '' : `?${new URLSearchParams({ cursor })}`
    const { body }: { body: Page<T> } = await request<Page<T>>(`${path}${query}`, signal ? { signal } : {})
    yield body.items
    cursor = body.next
  } while (cursor !== null)
}

export function listSlides(signal?: AbortSignal): AsyncGenerator<readonly Slide[]> {
  return pagesOf<Slide>('/api/slides', signal)
}

async function askForSlide(id: string): Promise<Slide> {
  return (await request<Slide>(slideApi(id))).body
}

let expected: { readonly id: string; readonly answer: Promise<Slide> } | null = null

/** Ask for a slide while the page that will show it is still loading; the next `getSlide` of it takes the answer. */
export function expectSlide(id: string): void {
  const answer = askForSlide(id)
  // Whoever takes the answer sees the error.
  answer.catch(() => undefined)
  expected = { id, answer }
}

export function getSlide(id: string): Promise<Slide> {
  const answer = expected?.id === id ? expected.answer : askForSlide(id)
  expected = null
  return answer
}

/** Ask for what is known about a slide's samples. */
export async function getSamples(id: string): Promise<SlideSamples> {
  return (await request<SlideSamples>(`${slideApi(id)}/histograms`)).body
}

export async function renameSlide(id: string, name: string): Promise<Slide> {
  return (await request<Slide>(slideApi(id), { method: 'PATCH', body: { name } })).body
}

async function all<T>(path: string): Promise<T[]> {
  const items: T[] = []
  for await (const page of pagesOf<T>(path)) items.push(...page)
  return items
}

export function getClasses(slide: string): Promise<AnnotationClass[]> {
  return all<AnnotationClass>(`${slideApi(slide)}/classes`)
}

export function getLayers(slide: string): Promise<LayerInfo[]> {
  return all<LayerInfo>(`${slideApi(slide)}/layers`)
}
