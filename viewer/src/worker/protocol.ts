/** What page and worker say to each other. */
import type { Light, SampleType } from '../model/samples'

/** One tile to be put together. */
export interface PaintJob {
  readonly id: number
  readonly type: SampleType
  /** Pixels that the tile has; the picture is filled up with transparent ones to `side` x `side`. */
  readonly width: number
  readonly height: number
  readonly side: number
  /** Where each channel's samples are, and the light that they give. */
  readonly parts: readonly { readonly url: string; readonly light: Light }[]
}

export type ToWorker =
  | { readonly kind: 'paint'; readonly job: PaintJob }
  | { readonly kind: 'abort'; readonly id: number }

export type FromWorker =
  | { readonly kind: 'painted'; readonly id: number; readonly bitmap: ImageBitmap }
  /** `status` of the answer that was no tile; 0 when there was none. */
  | { readonly kind: 'failed'; readonly id: number; readonly status: number }
