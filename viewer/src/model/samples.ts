/** What the server knows about a slide's samples: their type, how often each value occurs, what is worth showing. */
import type { ChannelLook, Rgb, Window } from './look'

export type SampleType = 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'float32'

/** One channel as the slide states it, and how often its values occur. */
export interface ChannelFacts {
  readonly name: string
  readonly color: Rgb
  /** What is shown as black and as full colour when nobody says else. */
  readonly window: Window
  /** What its values suggest. */
  readonly auto: Window
  /** Least and greatest value; null when there is none. */
  readonly min: number | null
  readonly max: number | null
  /** Where each bin begins, and where the last one ends. */
  readonly edges: readonly number[]
  readonly counts: readonly number[]
}

/** All of it, of one slide. */
export interface SlideSamples {
  readonly rgb: boolean
  readonly dtype: SampleType
  readonly items: readonly ChannelFacts[]
}

/** What one channel adds to a picture: its light at each value. */
export interface Light {
  readonly channel: number
  readonly color: Rgb
  readonly window: Window
  readonly gamma: number
}

const RANGES: Readonly<Record<SampleType, Window>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint32: [0, 4294967295],
  int32: [-2147483648, 2147483647],
  float32: [0, 1],
}

export function rangeOf(type: SampleType): Window {
  return RANGES[type]
}

/** The window that a look means. */
export function windowOf({ window }: ChannelLook, facts: ChannelFacts): Window {
  if (window === null) return facts.window
  return window === 'auto' ? facts.auto : window
}

/** The lights of all channels that are shown. */
export function lightsOf(looks: readonly ChannelLook[], channels: readonly ChannelFacts[]): readonly Light[] {
  return channels.flatMap((facts, channel) => {
    const look = looks[channel]
    if (!look?.shown) return []
    return [{ channel, color: look.color ?? facts.color, window: windowOf(look, facts), gamma: look.gamma }]
  })
}

/** The values between which a slider moves: all that occur or can, and the window as it is. */
export function sliderRange({ min, max, auto }: ChannelFacts, [start, end]: Window, type: SampleType): Window {
  if (type === 'uint8' || type === 'int8') return rangeOf(type)
  return [Math.min(min ?? auto[0], start, end), Math.max(max ?? auto[1], start, end)]
}

/** How far a step of a slider goes: one value of integers, a thousandth of the range of others. */
export function sliderStep([from, to]: Window, type: SampleType): number {
  return type === 'float32' ? (to - from) / 1000 || 0.001 : 1
}

/**
 * The outline of a histogram as an SVG path of a box `width` x `height`: how often values occur between `from` and
 * `to`, by logarithm, so that few bright pixels show beside a large dark background.
 */
export function histogramPath(
  { edges, counts }: Pick<ChannelFacts, 'edges' | 'counts'>,
  [from, to]: Window,
  width: number,
  height: number,
): string {
  const columns = Array.from({ length: width }, () => 0)
  const scale = width / (to - from || 1)
  counts.forEach((count, bin) => {
    const [left, right] = [edges[bin] ?? 0, edges[bin + 1] ?? 0].map((edge) => (edge - from) * scale)
    const first = Math.max(0, Math.floor(left ?? 0))
    const last = Math.min(width - 1, Math.max(first, Math.ceil(right ?? 0) - 1))
    for (let column = first; column <= last; column++) columns[column] = Math.max(columns[column] ?? 0, count)
  })
  const most = Math.log1p(Math.max(1, ...columns))
  const points = columns.map((count, x) => {
    const y = Number((height * (1 - Math.log1p(count) / most)).toFixed(1))
    return `L${x} ${y}L${x + 1} ${y}`
  })
  return `M0 ${height}${points.join('')}L${width} ${height}Z`
}
