/** The objects of the slide as an OpenLayers layer: tiles that workers have painted, asked for anew when they change. */
import { effect, type Signal, signal } from '@preact/signals'
import TileLayer from 'ol/layer/Tile'
import ImageTileSource from 'ol/source/ImageTile'
import TileGrid from 'ol/tilegrid/TileGrid'
import type { TileAddress } from '../model/slide'
import { objectResolutions, placeOf, sourceOf, tileBox } from '../model/vector-tile'
import type { Workspace } from '../store/workspace'
import { extentOf, projectionOf } from './frame'
import { ObjectWorkers } from './object-workers'

/** Pictures that are kept: about 64 MB of 256 px tiles. */
const CACHED_TILES = 256

/** A source whose pictures can change: those that are shown stay until the new ones have come. */
class ObjectSource extends ImageTileSource {
  restyle(key: string): void {
    this.setKey(key)
  }
}

export class ObjectTiles {
  readonly layer: TileLayer<ImageTileSource>
  readonly workers: ObjectWorkers
  /** Tiles that could not be had since the last retry. */
  readonly failed: Signal<number> = signal(0)
  /** Pixels of a tile for each CSS pixel. */
  readonly ratio: number
  private readonly source: ObjectSource
  private readonly stops: (() => void)[]
  private style = ''
  private lists: readonly (readonly unknown[])[] = []
  private round = 0
  /** The edition that tiles are asked for, and whether a frame has been drawn since. */
  private asked = { edition: 0, drawn: false }

  constructor(private readonly workspace: Workspace) {
    const slide = workspace.slide.peek()
    // On a dense screen one CSS pixel holds several pixels: show tiles at half their size there.
    this.ratio = window.devicePixelRatio >= 1.5 && slide.tile_size % 2 === 0 ? 2 : 1
    this.workers = new ObjectWorkers(() => {
      this.failed.value++
    })
    this.source = new ObjectSource({
      loader: (level, col, row, { signal: given }) => this.load({ level, col, row }, given),
      tileGrid: new TileGrid({
        extent: extentOf(slide),
        origin: [0, 0],
        resolutions: objectResolutions(slide).map((resolution) => resolution * this.ratio),
        tileSize: slide.tile_size / this.ratio,
      }),
      projection: projectionOf(slide),
      wrapX: false,
      transition: 0,
    })
    this.layer = new TileLayer({
      source: this.source,
      extent: extentOf(slide),
      cacheSize: CACHED_TILES,
      visible: false,
    })
    const { counts, interaction } = workspace
    this.stops = [
      effect(() => this.show(interaction.showObjects.value && counts.any.value)),
      effect(() => this.layer.setOpacity(interaction.opacity.value)),
      effect(() => this.restyle()),
    ]
  }

  /** A frame begins: what was asked for before it is on its way. */
  frameBegins(): void {
    this.asked.drawn = true
  }

  /** All tiles of the screen are there. */
  complete(): void {
    const { edition, drawn } = this.asked
    if (drawn && this.failed.peek() === 0) this.workspace.shown(edition)
  }

  retry(): void {
    if (this.failed.peek() === 0) return
    this.failed.value = 0
    this.workers.revive()
    this.askAnew()
  }

  dispose(): void {
    for (const stop of this.stops) stop()
    this.workers.dispose()
  }

  private show(visible: boolean): void {
    // What was complete without this layer is not complete with it.
    this.asked.drawn = false
    this.layer.setVisible(visible)
  }

  /** Tell the workers how objects look now, and ask for tiles anew when that, or what they show, has changed. */
  private restyle(): void {
    const style = this.workspace.objectStyle.value
    const edition = this.workspace.live.edition.value
    // Lists of thousands are told apart by being other lists.
    const { chosen, gone, reclassed, ...rest } = style
    const text = JSON.stringify(rest)
    const lists = [chosen, gone, reclassed]
    const looksSame = text === this.style && lists.every((list, at) => list === this.lists[at])
    if (looksSame && edition === this.asked.edition) return
    if (!looksSame) this.workers.restyle(style)
    this.style = text
    this.lists = lists
    this.askAnew()
  }

  private askAnew(): void {
    this.asked = { edition: this.workspace.live.edition.peek(), drawn: false }
    this.source.restyle(String(++this.round))
  }

  private async load(tile: TileAddress, given: AbortSignal): Promise<ImageBitmap> {
    const slide = this.workspace.slide.peek()
    const { source, part } = sourceOf(slide, tile)
    const place = placeOf(slide, source, this.workspace.live.revisionAt(tileBox(slide, source)))
    try {
      const side = slide.tile_size
      const picture = await this.workers.ask({ kind: 'paint', place, part, side, ratio: this.ratio }, source, given)
      // OpenLayers takes a tile without a picture for one that is there and draws nothing for it.
      return picture as ImageBitmap
    } catch (error) {
      if (!given.aborted) this.failed.value++
      throw error
    }
  }
}
