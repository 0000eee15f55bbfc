/**
 * Samples of channels as one picture, by the server's formula. Both round the light of each channel before they add it,
 * but not to the same parts of a grey level: of up to 16 channels, their pictures are within one grey level.
 */
import type { Rgb, Window } from '../model/look'
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

/** Parts of a grey level in which lights add up. */
const UNIT = 32
const FULL = 255 * UNIT
/** So many full lights fit 16 bits beside one that is there already: (7 + 1) * 255 * 32 < 65536. */
const FIT = 7

/** The lights that a channel gives: red in the low 16 bits and green in the high ones, and blue. */
export interface LightTable {
  readonly redGreen: Uint32Array
  readonly blue: Uint16Array
}

function redGreenOf(share: number, [red, green]: Rgb): number {
  return Math.round(share * red * UNIT) + (Math.round(share * green * UNIT) << 16)
}

function blueOf(share: number, [, , blue]: Rgb): number {
  return Math.round(share * blue * UNIT)
}

/** The lights of all values of a small type, by the value's bits read as an unsigned number; null of other types. */
export function lightTable(type: SampleType, { color, window, gamma }: Light): LightTable | null {
  const size = TABLE_VALUES[type]
  if (size === undefined) return null
  const table = { redGreen: new Uint32Array(size), blue: new Uint16Array(size) }
  const signed = type.startsWith('int')
  for (let bits = 0; bits < size; bits++) {
    const share = shareOf(signed && bits >= size / 2 ? bits - size : bits, window, gamma)
    table.redGreen[bits] = redGreenOf(share, color)
    table.blue[bits] = blueOf(share, color)
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

function cut(light: number): number {
  return light < FULL ? light : FULL
}

function levelOf(light: number): number {
  return (cut(light) + UNIT / 2) >> 5
}

/** Lights of one channel after the other, added up for each pixel. Exact to an eighth of a grey level for 8 channels. */
export class Lights {
  private readonly redGreen: Uint32Array
  private readonly blue: Uint16Array
  private added = 0

  constructor(private readonly count: number) {
    this.redGreen = new Uint32Array(count)
    this.blue = new Uint16Array(count)
  }

  /** Add the light of one channel; `table` is what `lightTable` gives for it. */
  add(samples: Samples, light: Light, table: LightTable | null): void {
    if (this.added > 0 && this.added % FIT === 0) this.cut()
    this.added++
    if (table) this.addByTable(bitsOf(samples), light.color, table)
    else this.addEach(samples, light)
  }

  /** Opaque pixels, red, green, blue and alpha, rounded and cut to full light. */
  pixels(): Uint8ClampedArray<ArrayBuffer> {
    const { redGreen, blue, count } = this
    const pixels = new Uint8ClampedArray(count * 4)
    const words = new Uint32Array(pixels.buffer)
    for (let pixel = 0; pixel < count; pixel++) {
      const both = redGreen[pixel] as number
      const levels = levelOf(both & 0xffff) | (levelOf(both >>> 16) << 8) | (levelOf(blue[pixel] as number) << 16)
      words[pixel] = levels | 0xff000000
    }
    return pixels
  }

  private addByTable(values: Samples, [red, green, blue]: Rgb, table: LightTable): void {
    if (red + green > 0) addLooked(this.redGreen, values, table.redGreen, this.count)
    if (blue > 0) addLooked(this.blue, values, table.blue, this.count)
  }

  private addEach(values: Samples, { color, window, gamma }: Light): void {
    for (let pixel = 0; pixel < this.count; pixel++) {
      const share = shareOf(values[pixel] as number, window, gamma)
      if (share === 0) continue
      this.redGreen[pixel] = (this.redGreen[pixel] as number) + redGreenOf(share, color)
      this.blue[pixel] = (this.blue[pixel] as number) + blueOf(share, color)
    }
  }

  private cut(): void {
    for (let pixel = 0; pixel < this.count; pixel++) {
      const both = this.redGreen[pixel] as number
      this.redGreen[pixel] = cut(both & 0xffff) + (cut(both >>> 16) << 16)
      this.blue[pixel] = cut(this.blue[pixel] as number)
    }
  }
}

function addLooked(
  sums: Uint32Array | Uint16Array,
  values: Samples,
  table: Uint32Array | Uint16Array,
  count: number,
): void {
  for (let pixel = 0; pixel < count; pixel++) {
    sums[pixel] = (sums[pixel] as number) + (table[values[pixel] as number] as number)
  }
}
