/** A slide as the catalogue tells it, and the arithmetic of its DeepZoom levels. */
import type { Mpp } from './geometry'
import { formatDepth, type Look, lookQuery } from './look'
import type { Quality } from './quality'
import type { SampleType } from './samples'

export interface Channel {
  readonly name: string
  readonly color: readonly [number, number, number]
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
  readonly times: number
  readonly dtype: SampleType
  readonly status: string
  readonly generation: number | string
  readonly created: string
  readonly annotations: number
  readonly case?: string | null
  readonly patient?: string | null
  readonly stain?: string | null
  /** Whether the scan states its colours by a profile, and whether that changes them; absent in lists. */
  readonly color?: { readonly profile: boolean; readonly converted: boolean } | null
  /** Null or absent until somebody has judged the slide. */
  readonly quality?: Quality | null
}

const COLOURS = 'red 255,0,0; green 0,255,0; blue 0,0,255'

/** Whether a slide is one picture in colour, not put together out of channels. */
export function isColour({ channels, dtype }: Pick<Slide, 'channels' | 'dtype'>): boolean {
  return dtype === 'uint8' && channels.map(({ name, color }) => `${name} ${color}`).join('; ') === COLOURS
}

/** The plane that is shown when nobody names one. */
export function middlePlane({ planes }: Pick<Slide, 'planes'>): number {
  return Math.floor(planes / 2)
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

export interface TileAddress {
  readonly level: number
  readonly col: number
  readonly row: number
}

type Named = Pick<Slide, 'id' | 'generation'>

/** What stands behind the question mark; colons and commas, which need no escape there, are left as people read them. */
function queryOf(slide: Named, more: Record<string, string>): string {
  const query = new URLSearchParams({ ...more, g: String(slide.generation) })
  return String(query).replaceAll('%2C', ',').replaceAll('%3A', ':')
}

function tilePath({ id }: Named, { level, col, row }: TileAddress): string {
  return `/dzi/${encodeURIComponent(id)}_files/${level}/${col}_${row}`
}

/** Address of one DeepZoom tile as the server shows it. */
export function tileUrl(slide: Named, tile: TileAddress, look: Look): string {
  return `${tilePath(slide, tile)}.jpeg?${queryOf(slide, { color: look.color, ...lookQuery(look) })}`
}

/** Address of one channel's samples of a tile. */
export function samplesUrl(slide: Named, tile: TileAddress, channel: number, { depth, time }: Look): string {
  const z = formatDepth(depth)
  const plane = { c: String(channel), ...(z === '' ? {} : { z }), ...(time === 0 ? {} : { t: String(time) }) }
  return `${tilePath(slide, tile)}.raw?${queryOf(slide, plane)}`
}

/** How many pixels a tile has, which is less at the right and bottom edge. */
export function tileSizeOf(
  slide: Pick<Slide, 'width' | 'height' | 'tile_size'>,
  { level, col, row }: TileAddress,
): { readonly width: number; readonly height: number } {
  const scale = 2 ** (maxDeepZoomLevel(slide) - level)
  const [width, height] = [Math.ceil(slide.width / scale), Math.ceil(slide.height / scale)]
  const side = slide.tile_size
  return { width: Math.min(side, width - col * side), height: Math.min(side, height - row * side) }
}

/** Address of the overview picture, at most `size` pixels wide and high. */
export function thumbnailUrl(slide: Named, size: number, look?: Look): string {
  const shown = look ? { color: look.color, ...lookQuery(look) } : { color: 'srgb' }
  return `/api/slides/${encodeURIComponent(slide.id)}/thumbnail?${queryOf(slide, { size: String(size), ...shown })}`
}

/** Address of a picture that was scanned beside the slide; it exists only where it was kept. */
export function associatedUrl({ id }: Pick<Slide, 'id'>, name: 'label' | 'macro'): string {
  return `/api/slides/${encodeURIComponent(id)}/associated/${name}`
}

/** Address of the tissue mask. */
export function tissueUrl({ id, generation }: Pick<Slide, 'id' | 'generation'>): string {
  return `/api/slides/${encodeURIComponent(id)}/quality/tissue.png?${new URLSearchParams({ g: String(generation) })}`
}
