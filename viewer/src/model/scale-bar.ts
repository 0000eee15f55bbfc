/** The scale bar: a round length that fits the place it has. */
import { formatCount, formatLength } from './format'
import type { Mpp } from './geometry'

export interface ScaleBar {
  /** Length on the screen in CSS pixels. */
  readonly width: number
  readonly label: string
}

/** The largest of 1, 2, 5 x 10^n that is not above `limit`. */
export function roundLengthBelow(limit: number): number {
  const power = 10 ** Math.floor(Math.log10(limit))
  const factor = [5, 2, 1].find((step) => step * power <= limit * (1 + 1e-12)) ?? 1
  return factor * power
}

/** Micrometres per level-0 pixel along the horizontal of the screen when the slide is turned by `rotation` radians. */
export function mppAlongScreen(mpp: Mpp, rotation: number): number {
  return Math.hypot(Math.cos(rotation) * mpp.x, Math.sin(rotation) * mpp.y)
}

/** Choose the bar for `zoom` (CSS px per level-0 px), at most `room` CSS pixels wide; without mpp it counts pixels. */
export function scaleBar(zoom: number, rotation: number, mpp: Mpp | null, room: number): ScaleBar {
  const perPixel = (mpp ? mppAlongScreen(mpp, rotation) : 1) / zoom
  const length = roundLengthBelow(room * perPixel)
  return { width: length / perPixel, label: mpp ? formatLength(length) : `${formatPixels(length)} px` }
}

function formatPixels(length: number): string {
  return length >= 1 ? formatCount(length) : String(Number(length.toPrecision(1)))
}
