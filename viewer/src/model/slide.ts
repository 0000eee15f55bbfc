/** A slide as the catalogue tells it, and the arithmetic of its DeepZoom levels. */
import type { Mpp } from './geometry'

export interface Channel {
  readonly name: string
  readonly color: string | readonly number[] | null
}

export interface Slide {
  readonly id: string
  readonly name: string
  readonly project: string | null
  readonly width: number
  readonly height: number
  readonly mpp_x: number | null
  readonly mpp_y: number | null
  readonly mpp_plausible: boolean
  readonly objective_power: number | null
  readonly levels: number
  readonly tile_size: number
  readonly channels: readonly Channel[]
  readonly planes: number
  readonly status: string
  readonly generation: number | string
  readonly created: string
  readonly annotations: number
}

/** Micrometres per level-0 pixel, or null: unknown and implausible values are never used to measure. */
export function mppOf(slide: Slide): Mpp | null {
  if (slide.mpp_x === null || slide.mpp_y === null || !slide.mpp_plausible) return null
  return { x: slide.mpp_x, y: slide.mpp_y }
}

/** The highest DeepZoom level, which is level 0 of the slide. */
export function maxDeepZoomLevel(slide: Pick<Slide, 'width' | 'height'>): number {
  return Math.ceil(Math.log2(Math.max(slide.width, slide.height)))
}

/** Level-0 pixels per tile pixel, for every DeepZoom level from the smallest (0) up. */
export function deepZoomResolutions(slide: Pick<Slide, 'width' | 'height'>): number[] {
  const highest = maxDeepZoomLevel(slide)
  return Array.from({ length: highest + 1 }, (_, level) => 2 ** (highest - level))
}

/** Address of one DeepZoom tile; colours are asked for as sRGB. */
export function tileUrl(slide: Pick<Slide, 'id' | 'generation'>, level: number, col: number, row: number): string {
  const query = new URLSearchParams({ color: 'srgb', g: String(slide.generation) })
  return `/dzi/${encodeURIComponent(slide.id)}_files/${level}/${col}_${row}.jpeg?${query}`
}

/** Address of the overview picture, at most `size` pixels wide and high. */
export function thumbnailUrl(slide: Pick<Slide, 'id' | 'generation'>, size: number): string {
  const query = new URLSearchParams({ size: String(size), color: 'srgb', g: String(slide.generation) })
  return `/api/slides/${encodeURIComponent(slide.id)}/thumbnail?${query}`
}
