import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiError, etagOf, NetworkError, onSignedOut, request, revisionOf, writeAs } from './http'

function answerWith(response: Response | Error): void {
  vi.stubGlobal('fetch', async () => {
    if (response instanceof Error) throw response
    return response
  })
}

afterEach(() => {
  vi.unstubAllGlobals()
  onSignedOut(() => undefined)
  writeAs(null)
})

describe('requests', () => {
  it('give body and tag', async () => {
    answerWith(Response.json({ a: 1 }, { headers: { etag: '"r7"' } }))
    expect(await request('/x')).toEqual({ status: 200, body: { a: 1 }, etag: '"r7"' })
    answerWith(new Response(null, { status: 204 }))
    expect((await request('/x')).body).toBeNull()
  })

  it('turn problems into errors with the sentence of the server', async () => {
    answerWith(
      Response.json({ detail: 'Gone.', code: 'stale', current: null }, { status: 412, headers: { etag: '"r9"' } }),
    )
    const error = await request('/x').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 412, code: 'stale', detail: 'Gone.', etag: '"r9"', body: { current: null } })
  })

  it('make a sentence where the server gives none', async () => {
    answerWith(new Response('<html>', { status: 502 }))
    await expect(request('/x')).rejects.toMatchObject({ code: 'http_502', message: 'The server answered 502.' })
  })

  it('tell of missing answers apart', async () => {
    answerWith(new TypeError('failed to fetch'))
    await expect(request('/x')).rejects.toBeInstanceOf(NetworkError)
  })

  it('tell whose page writes', async () => {
    const sent: unknown[] = []
    vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
      sent.push(new Headers(init.headers).get('pathserve-account'))
      return Response.json({})
    })
    await request('/x', { method: 'POST' })
    writeAs('Ødegård')
    await request('/x', { method: 'POST' })
    await request('/x')
    expect(sent).toEqual([null, '%C3%98deg%C3%A5rd', null])
  })

  it('tell when nobody is signed in', async () => {
    const told = vi.fn()
    onSignedOut(told)
    answerWith(Response.json({ detail: 'Sign in.' }, { status: 401 }))
    await expect(request('/x')).rejects.toBeInstanceOf(ApiError)
    expect(told).toHaveBeenCalledOnce()
  })
})

describe('tags', () => {
  it('name revisions', () => {
    expect(['"r17"', 'W/"r17"', '"x"', null].map(revisionOf)).toEqual([17, 17, null, null])
    expect(etagOf(17)).toBe('"r17"')
  })
})
