import { describe, expect, it } from 'vitest'
import type { Light, SampleType } from '../model/samples'
import { Lights, lightTable, type Samples, samplesOf, shareOf } from './compose'

function composed(samples: readonly Samples[], lights: readonly Light[], type: SampleType): number[][] {
  const sums = new Lights(samples[0]?.length ?? 0)
  lights.forEach((light, index) => {
    sums.add(samples[index] ?? new Uint8Array(), light, lightTable(type, light))
  })
  const pixels = sums.pixels()
  return Array.from({ length: pixels.length / 4 }, (_, n) => [...pixels.slice(4 * n, 4 * n + 4)])
}

/** The rule as the reference states it, in double precision: share of the window to the power of gamma, lights added. */
function expected(values: readonly number[], lights: readonly Light[]): number[] {
  const sum = [0, 0, 0]
  lights.forEach(({ color, window: [start, end], gamma }, index) => {
    const share = Math.min(1, Math.max(0, ((values[index] ?? 0) - start) / (end - start))) ** gamma
    for (const part of [0, 1, 2]) sum[part] = (sum[part] ?? 0) + share * (color[part] ?? 0)
  })
  return [...sum.map((level) => Math.min(255, level)), 255]
}

function farthest(pixel: readonly number[], wanted: readonly number[]): number {
  return Math.max(...pixel.map((level, part) => Math.abs(level - (wanted[part] ?? 0))))
}

const LIGHTS: readonly Light[] = [
  { channel: 0, color: [0, 0, 255], window: [120, 3000], gamma: 0.7 },
  { channel: 1, color: [0, 255, 0], window: [0, 65535], gamma: 1 },
  { channel: 2, color: [255, 128, 10], window: [2000, 500], gamma: 2.2 },
]

describe('composed pixels', () => {
  it('are those of the formula, to half a grey level and what three lights are rounded by', () => {
    // a spread of values that meets both ends of every window
    const values = Array.from({ length: 3 }, (_, c) =>
      Uint16Array.from({ length: 997 }, (_, n) => (n * 131 * (c + 1)) % 65536),
    )
    const found = composed(values, LIGHTS, 'uint16')
    found.forEach((pixel, n) => {
      const wanted = expected(
        values.map((channel) => channel[n] ?? 0),
        LIGHTS,
      )
      expect(farthest(pixel, wanted)).toBeLessThanOrEqual(0.5 + 3 / 64)
    })
    expect(new Set(found.map(String)).size).toBeGreaterThan(100)
  })

  it.each<[SampleType, Samples]>([
    ['int8', Int8Array.from([-128, -1, 0, 1, 127])],
    ['int16', Int16Array.from([-32768, -1, 0, 1, 32767])],
    ['uint8', Uint8Array.from([0, 1, 127, 128, 255])],
    ['int32', Int32Array.from([-(2 ** 31), -1, 0, 1, 2 ** 31 - 1])],
    ['uint32', Uint32Array.from([0, 1, 2 ** 16, 2 ** 31, 2 ** 32 - 1])],
    ['float32', Float32Array.from([-1.5, -0.25, 0, 0.25, 1e30])],
  ])('of %s know its sign and range', (type, samples) => {
    const [least, most] = [Math.min(...samples), Math.max(...samples)]
    const light: Light = { channel: 0, color: [255, 100, 0], window: [least / 2, most / 2], gamma: 1 }
    const found = composed([samples], [light], type)
    found.forEach((pixel, n) => {
      const wanted = expected([samples[n] ?? 0], [light])
      expect(farthest(pixel, wanted)).toBeLessThanOrEqual(0.5 + 3 / 64)
    })
  })

  it('are cut to full light, not turned over', () => {
    const white: Light = { channel: 0, color: [255, 255, 255], window: [0, 255], gamma: 1 }
    const full = Uint8Array.from([255, 200])
    expect(composed([full, full, full], [white, white, white], 'uint8')).toEqual([
      [255, 255, 255, 255],
      [255, 255, 255, 255],
    ])
  })

  it('are black without channels', () => {
    expect([...new Lights(1).pixels()]).toEqual([0, 0, 0, 255])
  })

  it.each<SampleType>(['uint16', 'float32'])('of dozens of channels of %s stay those of the formula', (type) => {
    const lights = Array.from({ length: 40 }, (_, channel): Light => {
      return { channel, color: [255, channel, 3], window: [0, 60000], gamma: 1 }
    })
    const values = lights.map((_, c) => [c * 37, c === 20 ? 60000 : 0, 60000])
    const found = composed(
      values.map((each) => (type === 'uint16' ? Uint16Array.from(each) : Float32Array.from(each))),
      lights,
      type,
    )
    found.forEach((pixel, n) => {
      const wanted = expected(
        values.map((each) => each[n] ?? 0),
        lights,
      )
      // each light is rounded to a thirty-second of a grey level
      expect(farthest(pixel, wanted)).toBeLessThanOrEqual(0.5 + 40 / 64)
    })
    expect(found[2]?.slice(0, 3)).toEqual([255, 255, 120])
  })

  it('take what is no number as dark', () => {
    expect(shareOf(Number.NaN, [0, 1], 1)).toBe(0)
    expect(shareOf(Number.POSITIVE_INFINITY, [0, 1], 1)).toBe(1)
    expect(shareOf(5, [5, 5], 1)).toBe(0)
  })
})

describe('samples', () => {
  it('are read as little-endian numbers of their type', () => {
    const bytes = Uint8Array.from([0x34, 0x12, 0xff, 0xff]).buffer
    expect([...samplesOf(bytes, 'uint16')]).toEqual([0x1234, 65535])
    expect([...samplesOf(bytes, 'int16')]).toEqual([0x1234, -1])
    expect([...samplesOf(bytes, 'uint32')]).toEqual([0xffff1234])
    expect([...samplesOf(Uint8Array.from([0, 0, 0x80, 0x3f]).buffer, 'float32')]).toEqual([1])
  })

  it('wider than 16 bits have no table', () => {
    const light: Light = { channel: 0, color: [255, 0, 0], window: [0, 1], gamma: 1 }
    expect(lightTable('float32', light)).toBeNull()
    expect(lightTable('uint32', light)).toBeNull()
    expect(lightTable('uint8', light)?.blue.length).toBe(256)
  })
})
