import type { Original, SlideOriginals } from '../model/originals'
import { request } from './http'

export interface OriginalPage {
  readonly items: readonly Original[]
  readonly next: string | null
}

/** The text names people, so it goes as a body: addresses end in logs and histories. */
export async function searchOriginals(q: string, limit: number, signal: AbortSignal): Promise<OriginalPage> {
  const options = { method: 'POST', body: { q, limit }, signal } as const
  return (await request<OriginalPage>('/api/pseudonyms/search', options)).body
}

export async function getSlideOriginals(slide: string, signal: AbortSignal): Promise<SlideOriginals> {
  return (await request<SlideOriginals>(`/api/slides/${encodeURIComponent(slide)}/originals`, { signal })).body
}
