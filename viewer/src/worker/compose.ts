/** Samples of channels as one picture: the same arithmetic as the server's, so that both show the same pixels. */
import type { Window } from '../model/look'
import type { Light, SampleType } from '../model/samples'

export type Samples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array

const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
} as const

/** Types whose every value has a place in a table. */
const TABLE_VALUES: Partial<Readonly<Record<SampleType, number>>> = {
  uint8: 1 << 8,
  int8: 1 << 8,
  uint16: 1 << 16,
  int16: 1 << 16,
}

/** Little-endian bytes as numbers; every machine that runs a browser is little-endian. */
export function samplesOf(bytes: ArrayBuffer, type: SampleType): Samples {
  return new ARRAYS[type](bytes)
}

/** The share of full colour, 0 to 1, of one value; what is no number is dark. */
export function shareOf(value: number, [start, end]: Window, gamma: number): number {
  const share = (value - start) / (end - start || 1)
  if (Number.isNaN(share) || share <= 0) return 0
  if (share >= 1) return 1
  return gamma === 1 ? share : share ** gamma
}

/** The shares of all values of a small type, by the value's bits read as an unsigned number. */
export function shareTable(type: SampleType, window: Window, gamma: number): Float32Array | null {
  const size = TABLE_VALUES[type]
  if (size === undefined) return null
  const table = new Float32Array(size)
  const signed = type.startsWith('int')
  for (let bits = 0; bits < size; bits++) {
    table[bits] = shareOf(signed && bits >= size / 2 ? bits - size : bits, window, gamma)
  }
  return table
}

/** Numbers by the bits that they have: signed ones as the unsigned ones of the same bits. */
function bitsOf(samples: Samples): Samples {
  const { buffer, byteOffset, length } = samples
  if (samples instanceof Int8Array) return new Uint8Array(buffer, byteOffset, length)
  if (samples instanceof Int16Array) return new Uint16Array(buffer, byteOffset, length)
  return samples
}

/** Add the light of one channel to sums of red, green and blue, three for each pixel. */
export function addLight(sums: Float32Array, samples: Samples, light: Light, table: Float32Array | null): void {
  const [red, green, blue] = light.color
  const values = bitsOf(samples)
  const count = Math.min(values.length, sums.length / 3)
  for (let pixel = 0, at = 0; pixel < count; pixel++, at += 3) {
    const value = values[pixel] as number
    const share = table ? (table[value] as number) : shareOf(value, light.window, light.gamma)
    if (share === 0) continue
    sums[at] = (sums[at] as number) + share * red
    sums[at + 1] = (sums[at + 1] as number) + share * green
    sums[at + 2] = (sums[at + 2] as number) + share * blue
  }
}

/** Sums as opaque pixels, red, green, blue and alpha; a clamped array rounds and cuts by itself. */
export function pixelsOf(sums: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const count = sums.length / 3
  const pixels = new Uint8ClampedArray(count * 4)
  for (let pixel = 0, from = 0, to = 0; pixel < count; pixel++, from += 3, to += 4) {
    pixels[to] = sums[from] as number
    pixels[to + 1] = sums[from + 1] as number
    pixels[to + 2] = sums[from + 2] as number
    pixels[to + 3] = 255
  }
  return pixels
}
