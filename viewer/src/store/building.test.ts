import { signal } from '@preact/signals'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Slide } from '../model/slide'
import { followBuilding } from './building'

const slide = { id: 's', status: 'building' } as Slide
let answers: (Slide | null)[]
let asked: number

beforeEach(() => {
  vi.useFakeTimers()
  asked = 0
  vi.stubGlobal('fetch', async () => {
    asked++
    const next = answers.shift()
    if (!next) throw new TypeError('offline')
    return Response.json(next)
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('asks until the slide is ready, over a break of the network too, and then no more', async () => {
  const [held, rebuilt] = [signal(slide), signal(0)]
  answers = [slide, null, { ...slide, status: 'ready' }]
  const stop = followBuilding(held, rebuilt)
  await vi.advanceTimersByTimeAsync(60_000)
  expect([asked, rebuilt.value, held.value.status]).toEqual([3, 2, 'ready'])
  stop()
})

it('does not ask about a slide that is ready, or that nobody looks at any more', async () => {
  answers = []
  const ready = followBuilding(signal({ ...slide, status: 'ready' }), signal(0))
  const left = followBuilding(signal(slide), signal(0))
  left()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toBe(0)
  ready()
})
