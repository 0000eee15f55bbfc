import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SlideSamples } from '../model/samples'
import type { Slide } from '../model/slide'
import { Display } from './display'

const item = { window: [0, 1000], auto: [50, 400], min: 2, max: 900, edges: [0, 1000], counts: [9] } as const
const samples: SlideSamples = {
  rgb: false,
  dtype: 'uint16',
  items: [
    { name: 'DAPI', color: [0, 0, 255], ...item },
    { name: 'FITC', color: [0, 255, 0], ...item },
  ],
}
const slide = {
  id: 's',
  dtype: 'uint16',
  channels: samples.items.map(({ name, color }) => ({ name, color })),
  planes: 5,
  times: 3,
} as unknown as Slide

let answer: () => Response
beforeEach(() => {
  answer = () => Response.json(samples)
  vi.stubGlobal('fetch', async () => answer())
})
afterEach(() => vi.unstubAllGlobals())

async function open(): Promise<Display> {
  const display = new Display(slide)
  await display.load()
  return display
}

describe('channels', () => {
  it('are shown as the slide states them, and no light is made of hidden ones', async () => {
    const display = await open()
    display.setChannel(0, { shown: false })
    display.setChannel(1, { color: [1, 2, 3] })
    expect(display.lights.value).toEqual([{ channel: 1, color: [1, 2, 3], window: [0, 1000], gamma: 1 }])
  })

  it('keep at least one step between the ends of their window, whichever is pushed', async () => {
    const display = await open()
    const window = (): unknown => display.look.value.channels[0]?.window
    display.moveWindow(0, 0, 300, 1)
    expect(window()).toEqual([300, 1000])
    display.moveWindow(0, 1, 200, 1)
    expect(window()).toEqual([300, 301])
    display.moveWindow(0, 0, 5000, 1)
    expect(window()).toEqual([300, 301])
    display.moveWindow(0, 1, Number.NaN, 1)
    expect(window()).toEqual([300, 301])
  })

  it('go back to what the slide states, one or all, without showing what is hidden', async () => {
    const display = await open()
    display.autoAll()
    expect(display.lights.value?.map(({ window }) => window)).toEqual([
      [50, 400],
      [50, 400],
    ])
    display.setChannel(0, { shown: false, gamma: 2 })
    display.reset(0)
    expect(display.look.value.channels[0]).toEqual({ shown: false, color: null, window: null, gamma: 1 })
    display.resetAll()
    expect(display.lights.value).toHaveLength(2)
  })

  it('are put together by the server as long as their histograms cannot be had', async () => {
    answer = () => Response.json({ detail: 'Not now.', code: 'building' }, { status: 503 })
    const display = await open()
    expect([display.state.value, display.lights.value]).toEqual(['failed', null])
    answer = () => Response.json(samples)
    await display.load()
    expect([display.state.value, display.lights.value?.length]).toEqual(['ready', 2])
  })
})

describe('planes and times', () => {
  it('are gone through to their ends; the middle plane needs no name', async () => {
    const display = await open()
    expect(display.plane).toBe(2)
    display.stepPlane(1)
    expect([display.plane, display.look.value.depth]).toEqual([3, 3])
    for (let step = 0; step < 5; step++) display.stepPlane(1)
    expect(display.plane).toBe(4)
    for (let step = 0; step < 9; step++) display.stepPlane(-1)
    expect(display.plane).toBe(0)
    display.setDepth(2)
    expect(display.look.value.depth).toBeNull()
    display.stepTime(-1)
    expect(display.look.value.time).toBe(0)
    for (let step = 0; step < 5; step++) display.stepTime(1)
    expect(display.look.value.time).toBe(2)
  })

  it('all at once are a look of their own, left by a step or the switch', async () => {
    const display = await open()
    display.toggleProjection()
    expect([display.plane, display.look.value.depth]).toEqual([null, 'max'])
    display.toggleProjection()
    expect(display.plane).toBe(2)
    display.toggleProjection()
    display.stepPlane(1)
    expect(display.plane).toBe(2)
  })
})

it('a picture in colour asks for no histograms', async () => {
  const channels = [
    { name: 'red', color: [255, 0, 0] },
    { name: 'green', color: [0, 255, 0] },
    { name: 'blue', color: [0, 0, 255] },
  ]
  answer = () => {
    throw new Error('asked')
  }
  const display = new Display({ ...slide, dtype: 'uint8', channels } as unknown as Slide)
  await display.load()
  expect([display.composed, display.lights.value]).toEqual([false, null])
})
