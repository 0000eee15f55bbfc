/** One place where requests are made: JSON in, JSON out, problems as errors. */

/** The server answered with `application/problem+json` (or with something that is no answer at all). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly body: Readonly<Record<string, unknown>>,
    readonly etag: string | null,
  ) {
    super(detail)
  }
}

/** No answer: offline, server gone, connection broken. */
export class NetworkError extends Error {}

export interface Answer<T> {
  readonly status: number
  readonly body: T
  readonly etag: string | null
}

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  readonly ifMatch?: string
  readonly signal?: AbortSignal
}

type Listener = () => void
let whenSignedOut: Listener = () => undefined

/** What to do when any answer is 401. */
export function onSignedOut(listener: Listener): void {
  whenSignedOut = listener
}

/** Say that an answer was 401. */
export function signedOut(): void {
  whenSignedOut()
}

let account: string | null = null

/** Say whose page this is: the server refuses what it writes once another account has signed in in this browser. */
export function writeAs(user: string | null): void {
  account = user
}

/** Fetch a picture. */
export async function requestBlob(path: string, signal: AbortSignal): Promise<Blob> {
  const response = await fetch(path, { credentials: 'same-origin', signal })
  if (response.status === 401) whenSignedOut()
  if (!response.ok)
    throw new ApiError(response.status, `http_${response.status}`, 'The picture is not there.', {}, null)
  return response.blob()
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text()
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Read a refusal out of an answer's status and JSON. */
export function problemOf(status: number, body: unknown, etag: string | null): ApiError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const detail = typeof problem.detail === 'string' ? problem.detail : `The server answered ${status}.`
  const code = typeof problem.code === 'string' ? problem.code : `http_${status}`
  return new ApiError(status, code, detail, problem, etag)
}

/** Send one request; throws ApiError for 4xx and 5xx, NetworkError when there is no answer. */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  if (options.ifMatch !== undefined) headers['if-match'] = options.ifMatch
  const method = options.method ?? 'GET'
  if (account !== null && method !== 'GET') headers['pathserve-account'] = encodeURIComponent(account)
  const init: RequestInit = { method, headers, credentials: 'same-origin' }
  if (options.body !== undefined) init.body = JSON.stringify(options.body)
  if (options.signal) init.signal = options.signal
  let response: Response
  let body: unknown
  try {
    response = await fetch(path, init)
    body = await readJson(response)
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new NetworkError('The server cannot be reached.')
  }
  if (!response.ok) {
    if (response.status === 401) whenSignedOut()
    throw problemOf(response.status, body, response.headers.get('etag'))
  }
  return { status: response.status, body: body as T, etag: response.headers.get('etag') }
}

/** `"r17"` -> 17; null when the tag is absent or of another kind. */
export function revisionOf(etag: string | null): number | null {
  const match = /^(?:W\/)?"r(\d+)"$/.exec(etag ?? '')
  return match?.[1] ? Number(match[1]) : null
}

/** 17 -> `"r17"`. */
export function etagOf(revision: number): string {
  return `"r${revision}"`
}
