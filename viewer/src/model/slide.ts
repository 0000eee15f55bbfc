/** A slide as the catalogue tells it, and the arithmetic of its DeepZoom levels. */
import type { Mpp } from './geometry'
import type { Quality } from './quality'

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
  readonly case?: string | null
  readonly patient?: string | null
  readonly stain?: string | null
  /** Null or absent until somebody has judged the slide. */
  readonly quality?: Quality | null
}

/** Whether levels of the slide are still being built; it can be looked at meanwhile. */
export function isBuilding({ status }: Pick<Slide, 'status'>): boolean {
  return status !== 'ready'
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

/** Address of a picture that was scanned beside the slide; it exists only where it was kept. */
export function associatedUrl({ id }: Pick<Slide, 'id'>, name: 'label' | 'macro'): string {
  return `/api/slides/${encodeURIComponent(id)}/associated/${name}`
}

/** Address of the tissue mask. */
export function tissueUrl({ id, generation }: Pick<Slide, 'id' | 'generation'>): string {
  return `/api/slides/${encodeURIComponent(id)}/quality/tissue.png?${new URLSearchParams({ g: String(generation) })}`
}
