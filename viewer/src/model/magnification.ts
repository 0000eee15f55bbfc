/** Magnification: what "20x" means on this slide and this screen. */
import { mppOf, type Slide } from './slide'

/** The usual convention of scanners: 40x is 0.25 µm per pixel. */
const UM_PER_PIXEL_AT_1X = 10

export const PRESETS: readonly number[] = [1, 5, 10, 20, 40]

/** The scan's own magnification: the objective as stated, else derived from µm per pixel, else null. */
export function nativeMagnification(slide: Slide): number | null {
  if (slide.objective_power !== null && slide.objective_power > 0) return slide.objective_power
  const mpp = mppOf(slide)
  return mpp ? UM_PER_PIXEL_AT_1X / Math.sqrt(mpp.x * mpp.y) : null
}

/** Magnification at `zoom` screen pixels per level-0 pixel. */
export function magnificationAt(native: number, zoom: number): number {
  return native * zoom
}

/** Zoom at which the slide is shown at `magnification`. */
export function zoomAt(native: number, magnification: number): number {
  return magnification / native
}

/** The preset that `magnification` stands for, or null when it lies between presets. */
export function presetOf(magnification: number): number | null {
  return PRESETS.find((preset) => Math.abs(magnification / preset - 1) < 0.005) ?? null
}

/** "20×", "3.4×", "0.31×": always about two digits that matter. */
export function formatMagnification(magnification: number): string {
  const digits = magnification >= 9.95 ? 0 : magnification >= 0.995 ? 1 : 2
  return `${Number(magnification.toFixed(digits))}×`
}
