/** Edits of many on a server in memory, behind `fetch`: each is compared with the revision of its object. */
import { vi } from 'vitest'
import type { Edit, EditResult } from '../src/api/annotations'
import type { Feature } from '../src/model/geojson'
import { featureOf, square } from './features'

interface Kept {
  feature: Feature
  revision: number
  isDeleted: boolean
}

export class GroupServer {
  revision = 3
  /** What happens to edits from now on. */
  accident: 'none' | 'offline' | 'lost-answer' | { readonly status: number; readonly detail: string } = 'none'
  /** Called when edits come, before they are made. */
  beforeEdits: () => void = () => undefined
  readonly sent: (readonly Edit[])[] = []
  /** How many objects were asked for at once. */
  readonly asked: number[] = []
  private readonly kept = new Map<string, Kept>()

  install(): void {
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => this.handle(path, init))
  }

  add(number: number, className?: string, properties: object = {}): void {
    const { properties: own, ...rest } = featureOf(`id-${number}`, square(number, 0, 10), className, 'l')
    const feature = { ...rest, properties: { ...own, number, ...properties } }
    this.kept.set(feature.id, { feature, revision: 3, isDeleted: false })
  }

  /** Somebody else (or the reader, in another window) gives an object a class; undefined deletes it. */
  write(number: number, className: string | undefined, author = 'other'): void {
    const kept = this.kept.get(`id-${number}`) as Kept
    kept.revision = ++this.revision
    if (className === undefined) kept.isDeleted = true
    else kept.feature = withClass(kept.feature, className, author)
  }

  /** Somebody removes the layer with all objects, or brings it back: they are as they were then. */
  setLayer(isThere: boolean): void {
    for (const kept of this.kept.values()) kept.isDeleted = !isThere
  }

  classOf(number: number): string | null | undefined {
    const kept = this.kept.get(`id-${number}`)
    return kept?.isDeleted === false ? (kept.feature.properties.classification?.name ?? null) : undefined
  }

  stateOf(number: number): string | undefined {
    return this.kept.get(`id-${number}`)?.feature.properties.state
  }

  private async handle(path: string, init: RequestInit): Promise<Response> {
    const { accident } = this
    if (accident === 'offline') throw new TypeError('offline')
    if (!path.endsWith('/edits')) return this.list(path)
    if (typeof accident === 'object') return Response.json({ detail: accident.detail }, { status: accident.status })
    this.beforeEdits()
    const { edits } = JSON.parse(String(init.body)) as { edits: readonly Edit[] }
    this.sent.push(edits)
    const results = this.edit(edits)
    if (this.accident === 'lost-answer') throw new TypeError('connection reset')
    return Response.json({ done: 0, results })
  }

  private list(path: string): Response {
    const query = new URLSearchParams(path.split('?')[1])
    const ids = [...query.getAll('number').map((number) => `id-${number}`), ...query.getAll('id')]
    this.asked.push(ids.length)
    const features = ids.flatMap((id) => {
      const kept = this.kept.get(id)
      if (!kept || kept.isDeleted) return []
      return [{ ...kept.feature, properties: { ...kept.feature.properties, revision: kept.revision } }]
    })
    return Response.json({ features, next: null, revision: this.revision })
  }

  private edit(edits: readonly Edit[]): EditResult[] {
    const next = this.revision + 1
    return edits.map((edit): EditResult => {
      const kept = this.kept.get(edit.id)
      if (!kept) return { result: 'not_found', revision: null }
      if (kept.isDeleted && edit.delete !== false) return { result: 'deleted', revision: kept.revision }
      if (kept.revision !== edit.revision) return { result: 'stale', revision: kept.revision }
      this.revision = kept.revision = next
      if (edit.delete !== undefined) kept.isDeleted = edit.delete
      if (edit.class !== undefined) kept.feature = withClass(kept.feature, edit.class, 'rk')
      if (edit.state !== undefined) {
        kept.feature = { ...kept.feature, properties: { ...kept.feature.properties, state: edit.state } }
      }
      return { result: 'done', revision: next }
    })
  }
}

function withClass(feature: Feature, name: string | null, author: string): Feature {
  const classification = name === null ? null : { name }
  return { ...feature, properties: { ...feature.properties, classification, author } }
}
