/** The tus protocol 1.0.0 as our server speaks it, and sets of files on top. */
import { ApiError, NetworkError, problemOf, request, signedOut } from './http'

const ADDRESS = '/api/uploads'
const VERSION = { 'tus-resumable': '1.0.0' }
const PART = 'application/offset+octet-stream'

export interface UploadState {
  readonly url: string
  readonly offset: number
  /** The ingest job that a complete upload became. */
  readonly job: string | null
}

export interface UploadTarget {
  readonly size: number
  readonly project: string
  readonly set?: { readonly key: string; readonly path: string }
}

export interface Part {
  readonly body: Blob
  readonly offset: number
  readonly onProgress: (bytes: number) => void
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

function metadataOf({ project, set }: UploadTarget): string {
  const values = { project, ...(set ? { set: set.key, path: set.path } : {}) }
  return Object.entries(values)
    .map(([key, value]) => `${key} ${base64(value)}`)
    .join(',')
}

interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Blob | null
  readonly onProgress: (bytes: number) => void
  readonly signal: AbortSignal
}

/** A connection that has been silent for so long is gone, whatever the browser thinks of it. */
const SILENCE_MS = 60_000

/** One request that tells how much of its body has gone: fetch cannot say that. */
function send({ method, url, headers, body, onProgress, signal }: Sent): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject) => {
    const wire = new XMLHttpRequest()
    wire.open(method, url)
    for (const [name, value] of Object.entries({ ...VERSION, ...headers })) wire.setRequestHeader(name, value)
    let timer: ReturnType<typeof setTimeout> | undefined
    const stirred = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        reject(new NetworkError('The server does not answer.'))
        wire.abort()
      }, SILENCE_MS)
    }
    wire.upload.onprogress = (event) => {
      stirred()
      onProgress(event.loaded)
    }
    wire.onloadend = () => clearTimeout(timer)
    wire.onload = () => (wire.status < 400 ? resolve(wire) : reject(refusalOf(wire)))
    wire.onerror = () => reject(new NetworkError('The server cannot be reached.'))
    wire.onabort = () => reject(new DOMException('Stopped.', 'AbortError'))
    signal.addEventListener('abort', () => wire.abort(), { once: true })
    if (signal.aborted) wire.abort()
    else {
      stirred()
      wire.send(body)
    }
  })
}

function refusalOf(wire: XMLHttpRequest): ApiError {
  if (wire.status === 401) signedOut()
  let body: unknown = null
  try {
    body = JSON.parse(wire.responseText)
  } catch {
    // A proxy's own page: the status says enough.
  }
  return problemOf(wire.status, body, wire.getResponseHeader('etag'))
}

function stateOf(wire: XMLHttpRequest, url: string): UploadState {
  const offset = Number(wire.getResponseHeader('upload-offset') ?? Number.NaN)
  if (!Number.isFinite(offset)) throw new NetworkError('The server gave no answer to this upload.')
  return { url, offset, job: wire.getResponseHeader('pathserve-job') }
}

/** Begin an upload, with its first part in the same request. */
export async function createUpload(target: UploadTarget, part: Part, signal: AbortSignal): Promise<UploadState> {
  const wire = await send({
    method: 'POST',
    url: ADDRESS,
    headers: {
      'upload-length': String(target.size),
      'upload-metadata': metadataOf(target),
      ...(part.body.size > 0 ? { 'content-type': PART } : {}),
    },
    body: part.body.size > 0 ? part.body : null,
    onProgress: part.onProgress,
    signal,
  })
  return stateOf(wire, new URL(wire.getResponseHeader('location') ?? '', location.href).pathname)
}

/** Ask how far an upload has come. */
export async function findUpload(url: string, signal: AbortSignal): Promise<UploadState> {
  const headers = {}
  return stateOf(await send({ method: 'HEAD', url, headers, body: null, onProgress: () => undefined, signal }), url)
}

/** Send the next part. */
export async function appendUpload(url: string, part: Part, signal: AbortSignal): Promise<UploadState> {
  const headers = { 'upload-offset': String(part.offset), 'content-type': PART }
  return stateOf(await send({ method: 'PATCH', url, headers, signal, ...part }), url)
}

/** Cancel an upload; one that is gone already is fine. */
export async function cancelUpload(url: string): Promise<void> {
  const signal = new AbortController().signal
  try {
    await send({ method: 'DELETE', url, headers: {}, body: null, onProgress: () => undefined, signal })
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error
  }
}

function setAddress(key: string): string {
  return `${ADDRESS}/sets/${encodeURIComponent(key)}`
}

/** All files of the set have come: make them one job. */
export async function ingestSet(key: string, project: string, signal: AbortSignal): Promise<string> {
  const { body } = await request<{ job: string }>(`${setAddress(key)}/ingest`, {
    method: 'POST',
    body: { project },
    signal,
  })
  return body.job
}

export async function cancelSet(key: string): Promise<void> {
  try {
    await request<null>(setAddress(key), { method: 'DELETE' })
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error
  }
}
