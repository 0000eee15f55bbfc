/** An annotation server in memory, behind `fetch`: revisions, If-Match, and the accidents of networks on request. */
import { vi } from 'vitest'
import type { Feature } from '../src/model/geojson'

type Accident = 'none' | 'offline' | 'lost-answer' | { readonly status: number; readonly detail: string }

interface Version {
  readonly revision: number
  readonly feature: Feature | null
}

function answer(status: number, body: unknown, etag?: number): Response {
  const headers = new Headers({ 'content-type': 'application/json' })
  if (etag !== undefined) headers.set('etag', `"r${etag}"`)
  return new Response(body === null ? null : JSON.stringify(body), { status, headers })
}

export class FakeServer {
  revision = 0
  /** What happens to the requests from now on. */
  accident: Accident = 'none'
  /** Changes features on their way in, as a repair would. */
  repair: (feature: Feature) => Feature = (feature) => feature
  /** Method and path of every request that has arrived. */
  readonly log: string[] = []
  private readonly history = new Map<string, Version[]>()

  install(): void {
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => this.handle(path, init))
  }

  current(id: string): Feature | null {
    return this.history.get(id)?.at(-1)?.feature ?? null
  }

  /** Somebody else writes. */
  write(id: string, feature: Feature | null): number {
    const revision = ++this.revision
    const stored = feature && { ...feature, id, properties: { ...feature.properties, revision, author: 'server' } }
    this.history.set(id, [...(this.history.get(id) ?? []), { revision, feature: stored }])
    return revision
  }

  private async handle(path: string, init: RequestInit): Promise<Response> {
    const { accident } = this
    if (accident === 'offline') throw new TypeError('offline')
    if (typeof accident === 'object') return answer(accident.status, { detail: accident.detail, code: 'x' })
    this.log.push(`${init.method} ${path}`)
    const response = this.serve(path, init)
    if (accident === 'lost-answer') throw new TypeError('connection reset')
    return response
  }

  private serve(path: string, init: RequestInit): Response {
    const body = typeof init.body === 'string' ? JSON.parse(init.body) : null
    if (path.startsWith('/api/slides/')) return this.create(body)
    const [id = '', action] = path.replace('/api/annotations/', '').split('/')
    const now = this.history.get(id)?.at(-1)
    if (!now) return answer(404, { detail: 'There is no such annotation.' })
    if (init.method === 'GET') return now.feature ? answer(200, now.feature, now.revision) : answer(404, {})
    if (new Headers(init.headers).get('if-match') !== `"r${now.revision}"`) {
      return answer(412, { detail: 'Changed meanwhile.', current: now.feature }, now.revision)
    }
    if (action === 'revert') {
      const old = this.history.get(id)?.find((version) => version.revision === body.revision)
      return this.put(id, old?.feature ?? null)
    }
    return this.put(id, init.method === 'DELETE' ? null : this.repair(body))
  }

  private create(feature: Feature): Response {
    const known = this.current(feature.id)
    const same = JSON.stringify(known?.geometry) === JSON.stringify(this.repair(feature).geometry)
    if (known && !same)
      return answer(422, {
        detail: 'Nothing was accepted.',
        refused: [{ index: 0, code: 'conflict', message: 'The id is taken.' }],
      })
    if (!known) this.write(feature.id, this.repair(feature))
    const repaired =
      this.repair(feature) === feature ? [] : [{ index: 0, code: 'repaired', message: 'It crossed itself.' }]
    return answer(201, { created: known ? 0 : 1, ids: [feature.id], repaired, refused: [] })
  }

  private put(id: string, feature: Feature | null): Response {
    const revision = this.write(id, feature)
    return feature ? answer(200, this.current(id), revision) : answer(204, null, revision)
  }
}
