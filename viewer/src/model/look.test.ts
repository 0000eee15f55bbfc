import { describe, expect, it } from 'vitest'
import {
  type ChannelLook,
  type Depth,
  depthText,
  formatChannels,
  type Look,
  lookQuery,
  OWN_LOOK,
  ownLook,
  parseChannels,
  parseDepth,
} from './look'
import { type ChannelFacts, histogramPath, lightsOf, sliderRange, sliderStep, windowOf } from './samples'

const off: ChannelLook = { ...OWN_LOOK, shown: false }

describe('channels in an address', () => {
  // The examples of the server's own description of the parameter.
  it.each<[string, readonly ChannelLook[]]>([
    ['0,2', [OWN_LOOK, off, OWN_LOOK]],
    [
      '0:ff0000:100-4000:0.8,2:auto',
      [{ ...OWN_LOOK, color: [255, 0, 0], window: [100, 4000], gamma: 0.8 }, off, { ...OWN_LOOK, window: 'auto' }],
    ],
    ['1:-5.5--2', [off, { ...OWN_LOOK, window: [-5.5, -2] }, off]],
    ['0:1e-7-2', [{ ...OWN_LOOK, window: [1e-7, 2] }, off, off]],
    ['none', [off, off, off]],
    ['', [OWN_LOOK, OWN_LOOK, OWN_LOOK]],
  ])('%s', (text, channels) => {
    expect(parseChannels(text, 3)).toEqual(channels)
    expect(formatChannels(channels)).toBe(text)
  })

  it('may stand in any order, with large letters and their parts mixed', () => {
    expect(parseChannels('2:0.8:AABBCC,0', 3)).toEqual([
      OWN_LOOK,
      off,
      { ...OWN_LOOK, color: [0xaa, 0xbb, 0xcc], gamma: 0.8 },
    ])
  })

  it('that make no sense are shown as the slide states them', () => {
    expect(parseChannels('7', 3)).toEqual(ownLook(3).channels)
    expect(parseChannels('x:y', 3)).toEqual(ownLook(3).channels)
    expect(parseChannels('0:5-5:99:gg0000,1', 2)).toEqual(ownLook(2).channels)
  })

  it('write large numbers without a plus, which an address reads as a blank', () => {
    expect(formatChannels([{ ...OWN_LOOK, window: [0, 1e21] }])).toBe('0:0-1e21')
    expect(parseChannels('0:0-1e21', 1)[0]?.window).toEqual([0, 1e21])
  })
})

describe('planes in an address', () => {
  it.each([
    ['4', 5, 4],
    ['5', 5, null],
    ['max', 5, 'max'],
    ['max', 1, null],
    ['1-3', 5, [1, 3]],
    ['2-2', 5, 2],
    ['3-1', 5, null],
    ['-1', 5, null],
    [null, 5, null],
  ])('%s of a slide', (text, planes, depth) => {
    expect(parseDepth(text, planes)).toEqual(depth)
  })

  it.each<[Depth, string]>([
    [null, '3/5'],
    [0, '1/5'],
    ['max', 'max'],
    [[1, 3], '2–4/5'],
  ])('are counted from 1 for people', (depth, text) => {
    expect(depthText(depth, 2, 5)).toBe(text)
  })

  it('go to the server as its own parameters', () => {
    const look: Look = { ...ownLook(2), depth: [1, 3], time: 4 }
    expect(lookQuery(look)).toEqual({ z: '1-3', t: '4' })
    expect(lookQuery({ ...ownLook(2), channels: [off, off] })).toEqual({ c: '0:000000' })
    expect(lookQuery(ownLook(2))).toEqual({})
    // more channels than the server takes in an address are all shown
    expect(lookQuery({ ...ownLook(70), channels: [...ownLook(69).channels, off] })).toEqual({})
  })
})

const facts: ChannelFacts = {
  name: 'DAPI',
  color: [0, 0, 255],
  window: [10, 900],
  auto: [20, 500],
  min: 3,
  max: 4000,
  edges: [0, 1000, 2000, 3000, 4000],
  counts: [1000, 10, 0, 1],
}

describe('windows', () => {
  it('are what is asked for, else what the values suggest or the slide states', () => {
    expect(windowOf(OWN_LOOK, facts)).toEqual([10, 900])
    expect(windowOf({ ...OWN_LOOK, window: 'auto' }, facts)).toEqual([20, 500])
    expect(windowOf({ ...OWN_LOOK, window: [1, 2] }, facts)).toEqual([1, 2])
  })

  it('make lights of the channels that are shown only', () => {
    const looks = [off, { ...OWN_LOOK, gamma: 2 }, { ...OWN_LOOK, color: [1, 2, 3] as const }]
    expect(lightsOf(looks, [facts, facts, facts])).toEqual([
      { channel: 1, color: [0, 0, 255], window: [10, 900], gamma: 2 },
      { channel: 2, color: [1, 2, 3], window: [10, 900], gamma: 1 },
    ])
  })

  it('move between all values that occur, by whole steps of integers', () => {
    expect(sliderRange(facts, [10, 900], 'uint16')).toEqual([3, 4000])
    expect(sliderRange(facts, [-10, 9000], 'uint16')).toEqual([-10, 9000])
    expect(sliderRange(facts, [10, 90], 'uint8')).toEqual([0, 255])
    expect(sliderStep([3, 4000], 'uint16')).toBe(1)
    expect(sliderStep([0, 2], 'float32')).toBe(0.002)
  })
})

describe('the drawing of a histogram', () => {
  it('has a step for each column, as high as the logarithm of what occurs there', () => {
    // log(1 + 1000) fills the height; log(1 + 10) is 2.398 of 6.909, log(1 + 1) is 0.693 of 6.909
    const path = histogramPath(facts, [0, 4000], 4, 100)
    expect(path).toBe('M0 100L0 0L1 0L1 65.3L2 65.3L2 100L3 100L3 90L4 90L4 100Z')
  })

  it('is flat where there is nothing', () => {
    expect(histogramPath({ edges: [], counts: [] }, [0, 0], 2, 10)).toBe('M0 10L0 10L1 10L1 10L2 10L2 10Z')
  })
})
