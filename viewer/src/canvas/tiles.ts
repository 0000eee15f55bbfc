/** The slide's DeepZoom tiles as an OpenLayers layer. */
import { effect, type Signal, signal } from '@preact/signals'
import TileLayer from 'ol/layer/Tile'
import ImageTileSource from 'ol/source/ImageTile'
import TileGrid from 'ol/tilegrid/TileGrid'
import { requestBlob } from '../api/http'
import { deepZoomResolutions, type Slide, samplesUrl, type TileAddress, tileSizeOf, tileUrl } from '../model/slide'
import type { Display } from '../store/display'
import { Composer } from './composer'
import { extentOf, projectionOf } from './frame'

/** Decoded tiles that are kept: about 64 MB of 256 px tiles. */
const CACHED_TILES = 256

/** A source whose pictures can change: those that are shown stay until the new ones have come. */
class TileSource extends ImageTileSource {
  restyle(key: string): void {
    this.setKey(key)
  }
}

export interface SlideTiles {
  readonly layer: TileLayer<ImageTileSource>
  /** Tiles that could not be had since the last retry. */
  readonly failed: Signal<number>
  retry(): void
  /** From now on, fetch coarser tiles of the place too, so that zooming out finds them there. */
  preload(): void
  dispose(): void
}

/**
 * Fetch and decode one tile. Tiles at the right and bottom edge are smaller than the grid's cell:
 * they are padded with transparent pixels, never stretched.
 */
async function loadTile(url: string, tileSize: number, signal: AbortSignal): Promise<ImageBitmap> {
  const blob = await requestBlob(url, signal)
  return createImageBitmap(blob, 0, 0, tileSize, tileSize)
}

/** What of the slide's look the tiles depend on, as text. */
function keyOf({ look, lights }: Display): string {
  const { depth, time, color, channels } = look.value
  return JSON.stringify([lights.value ?? channels, depth, time, color])
}

/** Gives tiles in the look of the moment: put together here where the samples are known, else as the server shows them. */
class TileLoader {
  private readonly composer: Composer | null

  constructor(
    private readonly slide: Slide,
    private readonly display: Display,
    idle: () => void,
    lost: () => void,
  ) {
    this.composer = display.composed ? new Composer(idle, lost) : null
  }

  get busy(): boolean {
    return this.composer?.busy ?? false
  }

  async load(tile: TileAddress, signal: AbortSignal): Promise<ImageBitmap> {
    await this.display.known
    const look = this.display.look.peek()
    const [samples, lights] = [this.display.samples.peek(), this.display.lights.peek()]
    if (!this.composer || this.composer.gone || !samples || !lights)
      return loadTile(tileUrl(this.slide, tile, look), this.slide.tile_size, signal)
    const parts = lights.map((light) => ({ url: samplesUrl(this.slide, tile, light.channel, look), light }))
    const size = tileSizeOf(this.slide, tile)
    return this.composer.paint({ ...size, type: samples.dtype, side: this.slide.tile_size, parts }, signal)
  }

  dispose(): void {
    this.composer?.dispose()
  }
}

export function createTiles(slide: Slide, display: Display): SlideTiles {
  const failed = signal(0)
  // On a dense screen one CSS pixel holds several pixels: show tiles at half their size there.
  const density = window.devicePixelRatio >= 1.5 && slide.tile_size % 2 === 0 ? 2 : 1
  const tileGrid = new TileGrid({
    extent: extentOf(slide),
    origin: [0, 0],
    resolutions: deepZoomResolutions(slide).map((resolution) => resolution * density),
    tileSize: slide.tile_size / density,
  })
  // While a slider moves, the next look waits for the tiles of the last one, so that each is shown.
  let due = false
  const restyle = (): void => {
    due = loader.busy
    if (!due) source.restyle(keyOf(display))
  }
  const loader = new TileLoader(
    slide,
    display,
    () => due && restyle(),
    // Without a worker the server puts the tiles together, those too that were under way and have just failed.
    () => setTimeout(retry),
  )
  const source = new TileSource({
    loader: async (level, col, row, { signal }) => {
      try {
        return await loader.load({ level, col, row }, signal)
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
  const stop = effect(() => {
    keyOf(display)
    restyle()
  })
  const retry = (): void => {
    if (failed.peek() === 0) return
    failed.value = 0
    source.refresh()
  }
  return {
    layer,
    failed,
    retry,
    preload: () => layer.setPreload(1),
    dispose: () => {
      stop()
      loader.dispose()
    },
  }
}
