/** A tus server in memory, behind XMLHttpRequest and `fetch`, and the accidents of networks on request. */
import { vi } from 'vitest'

interface Held {
  readonly length: number
  readonly key: string | null
  readonly path: string | null
  bytes: string
  job: string | null
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object
}

/** `cut`: half of a body arrives, no answer does. `lost`: all of it arrives, the answer does not. */
type Accident = 'none' | 'offline' | 'cut' | 'lost' | 'hang' | { readonly status: number; readonly detail: string }

function metadataOf(header: string | undefined): Record<string, string> {
  const pairs = (header ?? '').split(',').map((pair) => pair.split(' '))
  return Object.fromEntries(pairs.map(([key, value]) => [key, atob(value ?? '')]))
}

export class FakeUploads {
  /** What happens to the requests from now on. */
  accident: Accident = 'none'
  /** The only method that it happens to; null is all. */
  strikes: string | null = null
  /** Method, address and bytes of every request that has arrived. */
  readonly log: string[] = []
  readonly held = new Map<string, Held>()
  readonly jobs: string[] = []
  /** Most bytes of one request. */
  largest = 0

  install(): void {
    const server = this
    vi.stubGlobal('location', { href: 'http://x/' })
    vi.stubGlobal('XMLHttpRequest', function fake() {
      return new FakeRequest(server)
    })
    vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
      if (this.accident === 'offline') throw new TypeError('offline')
      const { status, body } = this.serveSets(String(init.method), path)
      return Response.json(body ?? null, { status })
    })
  }

  /** Contents of all complete uploads. */
  complete(): string[] {
    return [...this.held.values()].filter(({ bytes, length }) => bytes.length === length).map(({ bytes }) => bytes)
  }

  serve(method: string, url: string, headers: Readonly<Record<string, string>>, body: string): Answer {
    this.log.push(`${method} ${url} ${body.length}`)
    this.largest = Math.max(this.largest, body.length)
    if (method === 'POST') return this.create(headers, body)
    const upload = this.held.get(url)
    if (!upload) return { status: 404, body: { detail: 'There is no such upload.' } }
    if (method === 'DELETE') this.held.delete(url)
    if (method === 'PATCH') {
      if (Number(headers['upload-offset']) !== upload.bytes.length) {
        return { status: 409, body: { code: 'wrong_offset', detail: 'Go on elsewhere.' } }
      }
      this.append(upload, body)
    }
    return { status: 204, headers: this.stateOf(upload) }
  }

  private create(headers: Readonly<Record<string, string>>, body: string): Answer {
    const { set = null, path = null } = metadataOf(headers['upload-metadata'])
    const known = [...this.held].find(([, other]) => path !== null && other.key === set && other.path === path)
    if (known) return { status: 201, headers: { location: known[0], ...this.stateOf(known[1]) } }
    const upload = { length: Number(headers['upload-length']), key: set, path, bytes: '', job: null }
    const url = `/api/uploads/${this.held.size + 1}`
    this.held.set(url, upload)
    this.append(upload, body)
    return { status: 201, headers: { location: url, ...this.stateOf(upload) } }
  }

  private append(upload: Held, body: string): void {
    upload.bytes += body
    if (upload.bytes.length === upload.length && upload.key === null) upload.job = this.makeJob()
  }

  private makeJob(): string {
    this.jobs.push(`job ${this.jobs.length + 1}`)
    return this.jobs.at(-1) ?? ''
  }

  private stateOf({ bytes, job }: Held): Record<string, string> {
    return { 'upload-offset': String(bytes.length), ...(job === null ? {} : { 'pathserve-job': job }) }
  }

  private serveSets(method: string, path: string): Answer {
    const key = /sets\/([^/]+)/.exec(path)?.[1]
    this.log.push(`${method} set`)
    const members = [...this.held.values()].filter((upload) => upload.key === key)
    if (method === 'DELETE') for (const [url, upload] of this.held) if (upload.key === key) this.held.delete(url)
    if (method === 'DELETE') return { status: 200 }
    if (members.some(({ bytes, length }) => bytes.length < length))
      return { status: 409, body: { detail: 'Incomplete.' } }
    return { status: 202, body: { job: this.makeJob() } }
  }
}

/** As much of XMLHttpRequest as the uploads use. */
class FakeRequest {
  status = 0
  responseText = ''
  readonly upload: { onprogress?: (event: { loaded: number }) => void } = {}
  onload = (): void => undefined
  onerror = (): void => undefined
  onabort = (): void => undefined
  onloadend = (): void => undefined
  private readonly headers: Record<string, string> = {}
  private answered: Readonly<Record<string, string>> = {}
  private method = ''
  private url = ''
  private over = false

  constructor(private readonly server: FakeUploads) {}

  open(method: string, url: string): void {
    this.method = method
    this.url = url
  }

  setRequestHeader(name: string, value: string): void {
    this.headers[name] = value
  }

  getResponseHeader(name: string): string | null {
    return this.answered[name] ?? null
  }

  abort(): void {
    if (this.over) return
    this.end(this.onabort)
  }

  async send(body: Blob | null): Promise<void> {
    const bytes = body === null ? '' : await body.text()
    if (this.over) return
    const { strikes } = this.server
    const accident = strikes === null || strikes === this.method ? this.server.accident : 'none'
    const half = bytes.slice(0, bytes.length / 2)
    if (accident === 'offline') return this.end(this.onerror)
    this.upload.onprogress?.({ loaded: half.length })
    if (accident === 'hang') return
    if (typeof accident === 'object') return this.answer({ status: accident.status, body: { detail: accident.detail } })
    const arrived = accident === 'cut' ? half : bytes
    const answer = this.server.serve(this.method, this.url, this.headers, arrived)
    if (accident !== 'none') return this.end(this.onerror)
    this.answer(answer)
  }

  private answer({ status, headers, body }: Answer): void {
    this.status = status
    this.answered = headers ?? {}
    this.responseText = body ? JSON.stringify(body) : ''
    this.end(this.onload)
  }

  private end(listener: () => void): void {
    this.over = true
    listener()
    this.onloadend()
  }
}

/** A web storage in memory: its keys are its own properties, as in a browser. */
export function memoryStorage(): Storage {
  const methods = {
    getItem(this: Record<string, string>, key: string): string | null {
      return this[key] ?? null
    },
    setItem(this: Record<string, string>, key: string, value: string): void {
      this[key] = value
    },
    removeItem(this: Record<string, string>, key: string): void {
      delete this[key]
    },
  }
  return Object.create(methods)
}
