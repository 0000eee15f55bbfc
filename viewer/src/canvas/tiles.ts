/** The slide's DeepZoom tiles as an OpenLayers layer. */
import { type Signal, signal } from '@preact/signals'
import TileLayer from 'ol/layer/Tile'
import ImageTileSource from 'ol/source/ImageTile'
import TileGrid from 'ol/tilegrid/TileGrid'
import { requestBlob } from '../api/http'
import { deepZoomResolutions, type Slide, tileUrl } from '../model/slide'
import { extentOf, projectionOf } from './frame'

/** Decoded tiles that are kept: about 64 MB of 256 px tiles. */
const CACHED_TILES = 256

export interface SlideTiles {
  readonly layer: TileLayer<ImageTileSource>
  /** Tiles that could not be had since the last retry. */
  readonly failed: Signal<number>
  retry(): void
  /** From now on, fetch coarser tiles of the place too, so that zooming out finds them there. */
  preload(): void
}

/**
 * Fetch and decode one tile. Tiles at the right and bottom edge are smaller than the grid's cell:
 * they are padded with transparent pixels, never stretched.
 */
async function loadTile(url: string, tileSize: number, signal: AbortSignal): Promise<ImageBitmap> {
  const blob = await requestBlob(url, signal)
  return createImageBitmap(blob, 0, 0, tileSize, tileSize)
}

export function createTiles(slide: Slide): SlideTiles {
  const failed = signal(0)
  // On a dense screen one CSS pixel holds several pixels: show tiles at half their size there.
  const density = window.devicePixelRatio >= 1.5 && slide.tile_size % 2 === 0 ? 2 : 1
  const tileGrid = new TileGrid({
    extent: extentOf(slide),
    origin: [0, 0],
    resolutions: deepZoomResolutions(slide).map((resolution) => resolution * density),
    tileSize: slide.tile_size / density,
  })
  const source = new ImageTileSource({
    loader: async (level, col, row, { signal }) => {
      try {
        return await loadTile(tileUrl(slide, level, col, row), slide.tile_size, signal)
      } catch (error) {
        if (!signal.aborted) failed.value++
        throw error
      }
    },
    tileGrid,
    projection: projectionOf(slide),
    wrapX: false,
    transition: 0,
  })
  const layer = new TileLayer({ source, extent: extentOf(slide), cacheSize: CACHED_TILES })
  const retry = (): void => {
    if (failed.peek() === 0) return
    failed.value = 0
    source.refresh()
  }
  return { layer, failed, retry, preload: () => layer.setPreload(1) }
}
