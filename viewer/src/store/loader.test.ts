import { afterEach, describe, expect, it, vi } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Feature } from '../model/geojson'
import type { View } from '../model/view'
import { AnnotationLoader, MAX_OBJECTS } from './loader'

const view: View = { x: 500, y: 500, zoom: 1, rotation: 0, width: 200, height: 200 }

/** A server with `count` objects, which gives pages of at most `limit`; answers the queries that it was asked. */
function serve(count: number): URLSearchParams[] {
  const asked: URLSearchParams[] = []
  vi.stubGlobal('fetch', async (path: string) => {
    const query = new URL(path, 'http://x').searchParams
    asked.push(query)
    const from = Number(query.get('cursor') ?? 0)
    const until = Math.min(count, from + Number(query.get('limit')))
    const features = Array.from({ length: until - from }, (_, i) => featureOf(`f${from + i}`, square(0, 0, 1)))
    return Response.json({ type: 'FeatureCollection', features, next: until < count ? String(until) : null })
  })
  return asked
}

function loaderFor(total: number): { loader: AnnotationLoader; received: (readonly Feature[])[] } {
  const received: (readonly Feature[])[] = []
  const loader = new AnnotationLoader(
    's',
    () => total,
    (features) => received.push(features),
  )
  return { loader, received }
}

afterEach(() => vi.unstubAllGlobals())

describe('loading objects', () => {
  it('takes a small slide whole, once, however the view moves', async () => {
    const asked = serve(12_000)
    const { loader, received } = loaderFor(12_000)
    await loader.update(view)
    await loader.update({ ...view, x: 90_000 })
    expect(asked.map((query) => [query.get('bbox'), query.get('cursor')])).toEqual([
      [null, null],
      [null, '10000'],
    ])
    expect(received.map((features) => features.length)).toEqual([12_000])
    expect(loader.report.value).toEqual({ state: 'ready', complete: true })
  })

  it('takes the place on the screen of a large one, with a margin in which panning asks for nothing', async () => {
    const asked = serve(300)
    const { loader } = loaderFor(1_000_000)
    await loader.update(view)
    await loader.update({ ...view, x: 590, y: 410 })
    expect(asked.map((query) => query.get('bbox'))).toEqual(['300,300,700,700'])
    await loader.update({ ...view, x: 800 })
    expect(asked).toHaveLength(2)
    expect(loader.report.value.complete).toBe(true)
  })

  it('stops at the limit, says so, and asks again when the view moves', async () => {
    const asked = serve(60_000)
    const { loader, received } = loaderFor(60_000)
    await loader.update(view)
    expect(received[0]).toHaveLength(MAX_OBJECTS)
    expect(loader.report.value).toEqual({ state: 'ready', complete: false })
    const before = asked.length
    await loader.update(view)
    expect(asked).toHaveLength(before)
    await loader.update({ ...view, zoom: 2 })
    expect(asked.length).toBeGreaterThan(before)
  })

  it('says that it failed, and can be told to try again', async () => {
    vi.stubGlobal('fetch', async () => Response.json({ detail: 'no' }, { status: 500 }))
    const { loader, received } = loaderFor(10)
    await loader.update(view)
    expect(loader.report.value.state).toBe('failed')
    serve(10)
    await loader.reload(view)
    expect(loader.report.value.state).toBe('ready')
    expect(received).toHaveLength(1)
    await loader.settled()
  })

  it('drops an answer that has been overtaken', async () => {
    let release = (): void => undefined
    const slow = new Promise<void>((resolve) => {
      release = resolve
    })
    let calls = 0
    vi.stubGlobal('fetch', async (_path: string, init: RequestInit) => {
      const mine = ++calls
      if (mine === 1) await slow
      init.signal?.throwIfAborted()
      return Response.json({ features: [featureOf(`f${mine}`, square(0, 0, 1))], next: null })
    })
    const { loader, received } = loaderFor(1_000_000)
    const first = loader.update(view)
    await loader.update({ ...view, x: 5000 })
    release()
    await first
    expect(received.map((features) => features[0]?.id)).toEqual(['f2'])
    expect(loader.report.value).toEqual({ state: 'ready', complete: true })
  })
})
