/** How a slide is shown: its channels' colours and windows, plane, time and colours; as values and as an address. */

export type Rgb = readonly [number, number, number]
/** Sample values that are shown as black and as full colour; one that ends before it begins shows low values bright. */
export type Window = readonly [number, number]

export const GAMMA_RANGE = [0.1, 10] as const

export interface ChannelLook {
  readonly shown: boolean
  /** Null: the channel's own. */
  readonly color: Rgb | null
  /** `auto`: what its histogram suggests. Null: what the slide states, else the same. */
  readonly window: Window | 'auto' | null
  readonly gamma: number
}

/** A plane of a stack, or the greatest value over planes; null is the middle plane. */
export type Depth = number | 'max' | readonly [number, number] | null

export interface Look {
  readonly channels: readonly ChannelLook[]
  readonly depth: Depth
  readonly time: number
  /** Converted to sRGB by the scan's profile, or the scan's own values. */
  readonly color: 'srgb' | 'source'
}

export const OWN_LOOK: ChannelLook = { shown: true, color: null, window: null, gamma: 1 }

/** The look of a slide that nobody has changed. */
export function ownLook(channels: number): Look {
  return { channels: Array.from({ length: channels }, () => OWN_LOOK), depth: null, time: 0, color: 'srgb' }
}

const NUMBER = String.raw`-?\d{1,24}(?:\.\d{1,24})?(?:e-?\d{1,3})?`
const WINDOW = new RegExp(`^(${NUMBER})-(${NUMBER})$`)
const COLOR = /^[0-9a-f]{6}$/i
const GAMMA = /^\d{1,2}(?:\.\d{1,20})?$/
/** Says in the page's address that no channel is shown; the server has no need to say that. */
const NONE = 'none'

export function hexOf(color: Rgb): string {
  return color.map((part) => part.toString(16).padStart(2, '0')).join('')
}

/** `ff8000` or `#ff8000` as numbers; null when it is none. */
export function colorOf(hex: string): Rgb | null {
  const digits = hex.replace(/^#/, '')
  if (!COLOR.test(digits)) return null
  const [red, green, blue] = [0, 2, 4].map((from) => Number.parseInt(digits.slice(from, from + 2), 16))
  return [red ?? 0, green ?? 0, blue ?? 0]
}

function numberText(value: number): string {
  return String(value).replace('+', '')
}

function channelText(look: ChannelLook, index: number): string {
  const parts = [String(index)]
  if (look.color) parts.push(hexOf(look.color))
  if (look.window) parts.push(look.window === 'auto' ? 'auto' : look.window.map(numberText).join('-'))
  if (look.gamma !== 1) parts.push(numberText(look.gamma))
  return parts.join(':')
}

/** Channels as they stand in an address, `0:ff0000:100-4000:0.8,2`; empty when all are as the slide states them. */
export function formatChannels(channels: readonly ChannelLook[]): string {
  const texts = channels.map(channelText)
  if (channels.every(({ shown }, index) => shown && texts[index] === String(index))) return ''
  const shown = texts.filter((_, index) => channels[index]?.shown)
  return shown.length === 0 ? NONE : shown.join(',')
}

/** One part behind a channel's number; null when it is none. */
function stylePart(text: string): Partial<ChannelLook> | null {
  const color = colorOf(text)
  if (color && !text.startsWith('#')) return { color }
  if (text === 'auto') return { window: 'auto' }
  const window = WINDOW.exec(text)
  if (window) {
    const [start, end] = [Number(window[1]) + 0, Number(window[2]) + 0]
    return start === end || !Number.isFinite(start) || !Number.isFinite(end) ? null : { window: [start, end] }
  }
  if (!GAMMA.test(text)) return null
  const gamma = Number(text)
  return gamma >= GAMMA_RANGE[0] && gamma <= GAMMA_RANGE[1] ? { gamma } : null
}

/** Read what `formatChannels` writes, in any order; what makes no sense is left as the slide states it. */
export function parseChannels(text: string, count: number): ChannelLook[] {
  const hidden = Array.from({ length: count }, () => ({ ...OWN_LOOK, shown: false }))
  if (text === NONE) return hidden
  const channels: ChannelLook[] = hidden
  for (const part of text.split(',')) {
    const [number = '', ...styles] = part.split(':')
    const index = /^\d{1,5}$/.test(number) ? Number(number) : -1
    if (!channels[index]) continue
    channels[index] = Object.assign({}, OWN_LOOK, ...styles.map(stylePart))
  }
  return channels.some(({ shown }) => shown) ? channels : [...ownLook(count).channels]
}

/** Whether `parseChannels` understands all of it, and the slide has these channels. */
export function areChannels(text: string, count: number): boolean {
  if (text === '' || text === NONE) return true
  return text.split(',').every((part) => {
    const [number = '', ...styles] = part.split(':')
    return /^\d{1,5}$/.test(number) && Number(number) < count && styles.every((style) => stylePart(style) !== null)
  })
}

export function formatDepth(depth: Depth): string {
  if (depth === null) return ''
  return typeof depth === 'object' ? depth.join('-') : String(depth)
}

/** A plane as people read it, counted from 1: `3/5`, `max`, `2–4/5`. */
export function depthText(depth: Depth, middle: number, planes: number): string {
  if (depth === 'max') return depth
  const [first, last] = typeof depth === 'object' && depth !== null ? depth : [depth ?? middle, depth ?? middle]
  return `${first === last ? first + 1 : `${first + 1}–${last + 1}`}/${planes}`
}

/** Read a plane, `max` or `3-9` of a slide with so many planes; null when it is none. */
export function parseDepth(text: string | null, planes: number): Depth {
  if (text === 'max') return planes > 1 ? 'max' : null
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text ?? '')
  if (!match) return null
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])]
  if (first > last || last >= planes) return null
  return first === last ? first : [first, last]
}

/** Channels that the server takes in one address. */
const MOST_NAMED = 64

/** What a look adds to an image address of the server; empty for the slide's own. */
export function lookQuery(look: Look): Record<string, string> {
  const query: Record<string, string> = {}
  const channels = formatChannels(look.channels)
  // No channel at all is, for the server, one whose light is black.
  const few = look.channels.filter(({ shown }) => shown).length <= MOST_NAMED
  if (channels !== '' && few) query.c = channels === NONE ? '0:000000' : channels
  if (look.depth !== null) query.z = formatDepth(look.depth)
  if (look.time !== 0) query.t = String(look.time)
  return query
}
