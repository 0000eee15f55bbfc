import type { Feature } from '../model/geojson'
import type { Version } from '../model/history'
import { type Answer, etagOf, request, revisionOf } from './http'

export interface FeaturePage {
  readonly features: readonly Feature[]
  readonly next: string | null
  readonly revision: number
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

/** Annotations by their numbers on the slide; those that are gone are left out. */
export async function annotationsByNumber(slide: string, numbers: readonly number[]): Promise<readonly Feature[]> {
  const query = new URLSearchParams([
    ['limit', String(numbers.length)],
    ...numbers.map((number) => ['number', String(number)]),
  ])
  return (await request<FeaturePage>(`${collection(slide)}?${query}`)).body.features
}

/** Annotations by their ids, of one slide; those that are gone are left out. */
export async function annotationsById(slide: string, ids: readonly string[]): Promise<readonly Feature[]> {
  const query = new URLSearchParams([['limit', String(ids.length)], ...ids.map((id) => ['id', id])])
  return (await request<FeaturePage>(`${collection(slide)}?${query}`)).body.features
}

/** The most edits of one request. */
export const MAX_EDITS = 10_000

/** One of many edits; what is left out stays as it is. */
export interface Edit {
  readonly id: string
  /** The revision that the reader saw. */
  readonly revision: number
  /** Null: no class any more. */
  readonly class?: string | null
  readonly state?: string
  /** False brings a deleted one back. */
  readonly delete?: boolean
}

export interface EditResult {
  readonly result: 'done' | 'stale' | 'deleted' | 'not_found'
  readonly revision: number | null
}

/** Make many edits as one revision; answers what has become of each. */
export async function editAnnotations(slide: string, edits: readonly Edit[]): Promise<readonly EditResult[]> {
  const options = { method: 'POST', body: { edits } } as const
  return (await request<{ readonly results: readonly EditResult[] }>(`${collection(slide)}/edits`, options)).body
    .results
}

/** The revision that a slide's annotations are at. */
export async function currentRevision(slide: string): Promise<number> {
  return (await request<{ readonly revision: number }>(`/api/slides/${encodeURIComponent(slide)}`)).body.revision
}

/** Add an annotation to the layer that it names, else to the caller's own. */
export async function createAnnotation(slide: string, feature: Feature): Promise<CreateAnswer> {
  const { layer } = feature.properties
  const query = layer === undefined ? '' : `?${new URLSearchParams({ layer })}`
  return (await request<CreateAnswer>(`${collection(slide)}${query}`, { method: 'POST', body: feature })).body
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

/** Every version of an annotation, oldest first. */
export async function annotationHistory(id: string): Promise<readonly Version[]> {
  const versions: Version[] = []
  let cursor = ''
  for (;;) {
    const path = `${one(id)}/revisions${cursor && `?${new URLSearchParams({ cursor })}`}`
    const { items, next } = (await request<{ readonly items: readonly Version[]; readonly next: string | null }>(path))
      .body
    versions.push(...items)
    if (next === null) return versions
    cursor = next
  }
}

/** Bring a deleted annotation back as it was at revision `to`. */
export async function revertAnnotation(id: string, to: number, revision: number): Promise<Stored> {
  const options = { method: 'POST', body: { revision: to }, ifMatch: etagOf(revision) } as const
  return stored(await request<Feature>(`${one(id)}/revert`, options))
}
