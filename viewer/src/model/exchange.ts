/** Files of annotations: their formats, how they are read and written, and what the server reports of them. */

import { formatCount, plural } from './format'

export interface Format {
  /** What requests call it. */
  readonly name: string
  readonly title: string
  readonly endings: readonly string[]
  readonly reads: boolean
  readonly writes: boolean
  /** The frame of its coordinates by default; null: the file says that itself. */
  readonly origin: string | null
  readonly unit: string | null
}

export interface Issue {
  readonly index: number
  readonly code: string
  readonly message: string
}

/** Something that a file or a format could not hold, or that was changed. */
export interface Loss {
  readonly code: string
  readonly message: string
  readonly count: number
}

/** How much of a file would lie on the slide if its frame were this one. */
export interface Fit {
  readonly origin: string
  readonly unit: string
  readonly on_slide: number
  readonly on_tissue: number | null
}

export interface Frame {
  readonly origin: string | null
  readonly unit: string | null
}

export interface ImportReport {
  readonly format: string
  readonly layer: string
  readonly revision: number
  readonly read: number
  readonly created: number
  readonly there_already: number
  /** How many of those there already lie in other layers, where they stay. */
  readonly there_already_elsewhere: readonly { readonly layer: string; readonly count: number }[]
  readonly replaced: number
  readonly made_ids: number
  readonly outside_slide: number
  readonly conflicts: readonly Issue[]
  readonly conflicts_count: number
  readonly repaired: readonly Issue[]
  readonly repaired_count: number
  readonly refused: readonly Issue[]
  readonly refused_count: number
  readonly losses: readonly Loss[]
  readonly frame: Frame
  /** What nobody said. */
  readonly assumed: readonly string[]
  readonly fit: readonly Fit[]
}

export interface ExportReport {
  readonly format: string
  readonly revision: number
  readonly written: number
  readonly losses: readonly Loss[]
}

/** The frame of a file's coordinates as a reader states it; '' leaves it to the format. */
export interface FrameChoice {
  readonly origin: string
  readonly unit: string
  readonly mpp: string
  readonly affine: string
  /** What a format has to be told, as NAME=VALUE; semicolons stand between several. */
  readonly option: string
}

export const NO_FRAME: FrameChoice = { origin: '', unit: '', mpp: '', affine: '', option: '' }

/** Query parameters of what has been stated. */
export function statedOf(choice: Readonly<Record<string, string>>): URLSearchParams {
  const pairs = Object.entries(choice).flatMap(([name, value]) =>
    (name === 'option' ? value.split(';') : [value]).map((part) => [name, part.trim()]),
  )
  return new URLSearchParams(pairs.filter(([, value]) => value !== ''))
}

/** A problem in the words of the viewer: where the server speaks of an option, it says where that stands. */
export function problemText(detail: string): string {
  return /\boptions? [a-z_]+=/.test(detail) ? `${detail} Options stand under Advanced.` : detail
}

const ORIGINS: Readonly<Record<string, string>> = {
  slide: 'corner of the slide',
  bounds: 'corner of what is not empty',
}
const UNITS: Readonly<Record<string, string>> = { px: 'pixels', um: 'micrometres' }

/** "pixels from the corner of the slide". */
export function frameText({ origin, unit }: Frame): string {
  if (origin === null && unit === null) return 'as the file itself says'
  return `${UNITS[unit ?? ''] ?? unit ?? 'as the file says'} from the ${ORIGINS[origin ?? ''] ?? origin ?? 'place that the file says'}`
}

/** What was assumed, as a sentence; '' when everything was said. */
export function assumedText({ assumed, format, frame }: ImportReport, title: string): string {
  const parts: string[] = []
  if (assumed.includes('format')) parts.push(`that it is ${title || format}`)
  const framed = assumed.includes('origin') || assumed.includes('unit')
  if (framed) parts.push(`that its coordinates are ${frameText(frame)}`)
  return parts.length === 0 ? '' : `Assumed ${parts.join(' and ')}.`
}

/** Where the objects are that were there already; '' when the file had none. */
export function thereText({
  read,
  there_already: there,
  there_already_elsewhere: elsewhere,
  layer,
}: ImportReport): string {
  if (there === 0) return ''
  const others = elsewhere.map((each) => `${formatCount(each.count)} in “${each.layer}”`)
  const away = elsewhere.reduce((sum, { count }) => sum + count, 0)
  const here = there - away
  const places = here > 0 && away > 0 ? [`${formatCount(here)} in “${layer}”`, ...others] : others
  const where = places.length === 0 ? '' : `: ${places.join(', ')}`
  const which =
    there === read ? 'Everything in the file is' : `${plural(there, 'feature')} ${there === 1 ? 'is' : 'are'}`
  const stays = away > 0 ? ` What lies in other layers stays there, and is not copied into “${layer}”.` : ''
  return `${which} on the slide already, with the same id and content${where}.${stays}`
}

/** Another frame in which clearly more of the file would lie on the slide, or on its tissue. */
export function betterFit({ fit, frame }: ImportReport): Fit | null {
  const now = fit.find(({ origin, unit }) => origin === frame.origin && unit === frame.unit)
  if (!now) return null
  const worth = ({ on_slide, on_tissue }: Fit): number => on_slide + (on_tissue ?? 0)
  const best = [...fit].sort((a, b) => worth(b) - worth(a))[0]
  return best && worth(best) > worth(now) + 0.1 ? best : null
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** Why another frame fits better, without the full stop: where most lies on the slide in both, it is the tissue that tells. */
export function fitText({ fit, frame }: ImportReport, better: Fit): string {
  const now = fit.find(({ origin, unit }) => origin === frame.origin && unit === frame.unit)
  const byTissue = better.on_slide - (now?.on_slide ?? 0) <= 0.1
  const [share, other] = byTissue ? [now?.on_tissue, better.on_tissue] : [now?.on_slide, better.on_slide]
  const where = byTissue ? 'tissue' : 'the slide'
  return `Only ${percent(share ?? 0)} of its vertices lie on ${where}. Read as ${frameText(better)} it would be ${percent(other ?? 0)}`
}
