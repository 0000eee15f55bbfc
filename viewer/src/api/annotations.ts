import type { Feature } from '../model/geojson'
import type { Box } from '../model/geometry'
import { type Answer, etagOf, request, revisionOf } from './http'

/** The most that one page of annotations can hold. */
const PAGE_LIMIT = 10_000

export interface FeaturePage {
  readonly features: readonly Feature[]
  readonly next: string | null
}

/** A feature with the revision at which it stands. */
export interface Stored {
  readonly feature: Feature
  readonly revision: number
}

export interface FeatureIssue {
  readonly index: number
  readonly code: string
  readonly message: string
}

export interface CreateAnswer {
  readonly created: number
  readonly ids: readonly string[]
  readonly repaired: readonly FeatureIssue[]
  readonly refused: readonly FeatureIssue[]
}

function collection(slide: string): string {
  return `/api/slides/${encodeURIComponent(slide)}/annotations`
}

function one(id: string): string {
  return `/api/annotations/${encodeURIComponent(id)}`
}

function stored(answer: Answer<Feature>): Stored {
  const revision = revisionOf(answer.etag) ?? answer.body.properties.revision
  if (revision === undefined) throw new TypeError('An annotation came without its revision.')
  return { feature: answer.body, revision }
}

/** One page of the annotations that meet `box` (level-0 px), or of all. */
export async function listAnnotations(
  slide: string,
  box: Box | null,
  cursor: string | null,
  signal: AbortSignal,
): Promise<FeaturePage> {
  const query = new URLSearchParams({ limit: String(PAGE_LIMIT) })
  if (box) query.set('bbox', [Math.floor(box[0]), Math.floor(box[1]), Math.ceil(box[2]), Math.ceil(box[3])].join(','))
  if (cursor !== null) query.set('cursor', cursor)
  return (await request<FeaturePage>(`${collection(slide)}?${query}`, { signal })).body
}

export async function createAnnotation(slide: string, feature: Feature): Promise<CreateAnswer> {
  return (await request<CreateAnswer>(collection(slide), { method: 'POST', body: feature })).body
}

export async function getAnnotation(id: string): Promise<Stored> {
  return stored(await request<Feature>(one(id)))
}

export async function putAnnotation(feature: Feature, revision: number): Promise<Stored> {
  const options = { method: 'PUT', body: feature, ifMatch: etagOf(revision) } as const
  return stored(await request<Feature>(one(feature.id), options))
}

/** Delete; answers the revision of the deletion. */
export async function deleteAnnotation(id: string, revision: number): Promise<number> {
  const answer = await request<null>(one(id), { method: 'DELETE', ifMatch: etagOf(revision) })
  return revisionOf(answer.etag) ?? revision
}

/** Bring a deleted annotation back as it was at revision `to`. */
export async function revertAnnotation(id: string, to: number, revision: number): Promise<Stored> {
  const options = { method: 'POST', body: { revision: to }, ifMatch: etagOf(revision) } as const
  return stored(await request<Feature>(`${one(id)}/revert`, options))
}
