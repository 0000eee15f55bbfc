/** What the server found about a slide's quality, in the words of badges. */
import type { Box } from './geometry'

/** Something that somebody should look at before the slide is used. */
export interface Hint {
  readonly kind: string
  readonly share: number | null
  /** The largest or worst places. */
  readonly boxes: readonly Box[]
  readonly sentence: string
}

export interface Quality {
  /** Share of the scanned area that shows tissue. */
  readonly tissue_share: number | null
  readonly focus: number | null
  readonly hints: readonly Hint[]
}

const LABELS: Readonly<Record<string, string>> = {
  'no-tissue': 'no tissue',
  'little-tissue': 'little tissue',
  pen: 'pen marks',
  fold: 'folds',
  blur: 'out of focus',
  soft: 'soft',
  clipped: 'clipped',
  'mpp-missing': 'no pixel size',
  'mpp-implausible': 'pixel size implausible',
}

export function hintLabel(kind: string): string {
  return LABELS[kind] ?? kind.replaceAll('-', ' ')
}

interface Judged {
  readonly quality?: Quality | null
  readonly mpp_plausible: boolean
  readonly mpp_x: number | null
}

const IMPLAUSIBLE: Hint = {
  kind: 'mpp-implausible',
  share: null,
  boxes: [],
  sentence: 'The scan states a pixel size that no microscope has.',
}

/** All hints of a slide; a pixel size that is not credible is one also before anybody has judged the pixels. */
export function hintsOf(slide: Judged): readonly Hint[] {
  const found = slide.quality?.hints ?? []
  const doubtful = slide.mpp_x !== null && !slide.mpp_plausible
  return doubtful && !found.some(({ kind }) => kind === IMPLAUSIBLE.kind) ? [...found, IMPLAUSIBLE] : found
}

/** The hints that a card has room for: a missing pixel size shows in the slide's size already. */
export function badgesOf(slide: Judged): readonly Hint[] {
  return hintsOf(slide).filter(({ kind }) => kind !== 'mpp-missing')
}

/** A share as a whole percentage; what is there but tiny is not nothing. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.01) return '< 1 %'
  return `${Math.round(share * 100)} %`
}
