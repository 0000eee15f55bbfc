/** Who looks at the slide, and where. */
import type { Position } from './geojson'

/** A viewer that is open somewhere: its view in level-0 pixels. */
export interface Present {
  readonly account: string
  /** The name that the viewer has made up for itself. */
  readonly client: string
  /** Top-left corner of the view before it is turned about its centre. */
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** Clockwise turn of the slide on the screen, in degrees. */
  readonly rotation: number
}

function isPresent(value: unknown): value is Present {
  if (typeof value !== 'object' || value === null) return false
  const { account, client, x, y, width, height, rotation } = value as Record<string, unknown>
  const names = typeof account === 'string' && typeof client === 'string'
  return names && [x, y, width, height, rotation].every(Number.isFinite)
}

/** Read the data of a `presence` event; what makes no sense is left out. */
export function parsePresence(text: string): readonly Present[] {
  try {
    const { items } = JSON.parse(text) as { items?: unknown }
    return Array.isArray(items) ? items.filter(isPresent) : []
  } catch {
    return []
  }
}

/** The four corners of somebody's view in level-0 pixels. */
export function cornersOfPresent({ x, y, width, height, rotation }: Present): readonly Position[] {
  const turn = (-rotation * Math.PI) / 180
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)]
  const [a, b] = [width / 2, height / 2]
  const corner = (dx: number, dy: number): Position => [x + a + cos * dx - sin * dy, y + b + sin * dx + cos * dy]
  return [corner(-a, -b), corner(a, -b), corner(a, b), corner(-a, b)]
}

/** Colours for people: apart from each other, and each readable on dark and on tissue. */
const COLORS = ['#4fc3f7', '#f5c451', '#b388ff', '#5fd38a', '#ff8a80', '#64e0d0', '#ff9f40', '#aadc32'] as const

/** A colour for an account, the same on every screen. */
export function colorOfAccount(account: string): string {
  let sum = 0
  for (const sign of account) sum = (sum * 31 + (sign.codePointAt(0) ?? 0)) % 65_521
  return COLORS[sum % COLORS.length] ?? COLORS[0]
}

/** One or two letters for an account. */
export function initialsOf(account: string): string {
  const words = account.split(/[\s._@-]+/).filter((word) => word !== '')
  const letters = words.length > 1 ? [words[0], words[1]] : [account.trim().slice(0, 2)]
  return letters
    .map((word) => (words.length > 1 ? [...(word ?? '')][0] : word))
    .join('')
    .toUpperCase()
}
