/** Annotations as a list: sorted, narrowed, page by page, and how many there are. */
import type { FeaturePage } from './annotations'
import { request } from './http'

function annotations(slide: string): string {
  return `/api/slides/${encodeURIComponent(slide)}/annotations`
}

/** A page of the list; `cursor` goes on where another page of the same question ended. */
export async function listObjects(
  slide: string,
  query: URLSearchParams,
  more: { readonly cursor?: string; readonly limit: number; readonly signal: AbortSignal },
): Promise<FeaturePage> {
  const asked = new URLSearchParams(query)
  asked.set('limit', String(more.limit))
  if (more.cursor !== undefined) asked.set('cursor', more.cursor)
  return (await request<FeaturePage>(`${annotations(slide)}?${asked}`, { signal: more.signal })).body
}

/** Review states that objects of the slide have. */
export async function getStates(slide: string): Promise<readonly string[]> {
  const { states } = (
    await request<{ readonly states: readonly { readonly name: string }[] }>(`${annotations(slide)}/summary`)
  ).body
  return states.map(({ name }) => name)
}

/** Exactly how many annotations a question finds. */
export async function countObjects(slide: string, query: URLSearchParams, signal?: AbortSignal): Promise<number> {
  const path = `${annotations(slide)}/summary?${query}`
  return (await request<{ readonly total: number }>(path, signal ? { signal } : {})).body.total
}
