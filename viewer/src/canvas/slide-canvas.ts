/** The map: slide, objects and overlay on an OpenLayers view, and the commands that move it. */

import { altShiftKeysOnly } from 'ol/events/condition'
import { DragPan, DragRotate, defaults as defaultInteractions } from 'ol/interaction'
import DoubleClickZoom from 'ol/interaction/DoubleClickZoom'
import OlMap from 'ol/Map'
import type MapBrowserEvent from 'ol/MapBrowserEvent'
import OlView from 'ol/View'
import type { PointerSink } from '../model/pointer'
import { fitZoom, type ScreenPoint, type View } from '../model/view'
import type { ViewDriver, ViewTarget } from '../store/view'
import type { Workspace } from '../store/workspace'
import { extentOf, olCoordinate, projectionOf, viewOf } from './frame'
import { CanvasReader } from './object-reader'
import { ObjectTiles } from './object-tiles'
import { OverlayLayer } from './overlay-layer'
import { createPointer } from './pointer'
import { createTiles, type SlideTiles } from './tiles'

/** Clicks of a double click are no further apart, in CSS pixels: fingers are less exact than a mouse. */
const DOUBLE_CLICK_PX = 20

function areNear(
  [ax = Infinity, ay = Infinity]: readonly number[] = [],
  [bx = 0, by = 0]: readonly number[] = [],
): boolean {
  return Math.hypot(bx - ax, by - ay) <= DOUBLE_CLICK_PX
}

/** One level-0 pixel is at most this many screen pixels wide. */
const MAX_ZOOM = 32
const ANIMATION_MS = 180
const MOST_TILES_LOADING = 48
/** The whole slide with a little room around it. */
const FIT_MARGIN = 0.96

export class SlideCanvas implements ViewDriver {
  readonly tiles: SlideTiles
  /** Resolves when the first frame is drawn with all its tiles. */
  readonly ready: Promise<void>
  private readonly map: OlMap
  private readonly view: OlView
  readonly objects: ObjectTiles
  private readonly overlay: OverlayLayer
  private frameView: View | null = null

  constructor(
    private readonly target: HTMLElement,
    private readonly workspace: Workspace,
    sink: PointerSink,
    start: ViewTarget | null,
  ) {
    const slide = workspace.slide.peek()
    this.tiles = createTiles(slide, workspace.display)
    this.objects = new ObjectTiles(workspace)
    workspace.attach(new CanvasReader(workspace, this.objects.workers, this.objects.ratio))
    this.overlay = new OverlayLayer(workspace)
    const size = { width: target.clientWidth, height: target.clientHeight }
    const fit = fitZoom(slide, size, start?.rotation ?? 0) * FIT_MARGIN
    this.view = new OlView({
      projection: projectionOf(slide),
      center: olCoordinate(start?.x ?? slide.width / 2, start?.y ?? slide.height / 2),
      resolution: 1 / (start?.zoom ?? fit),
      rotation: start?.rotation ?? 0,
      extent: extentOf(slide),
      constrainOnlyCenter: true,
      smoothExtentConstraint: false,
      minResolution: 1 / MAX_ZOOM,
      maxResolution: Math.max(1 / fit, 1) * 4,
      constrainRotation: false,
    })
    this.map = new OlMap({
      target,
      view: this.view,
      layers: [this.tiles.layer, this.objects.layer, this.overlay.layer],
      controls: [],
      interactions: this.interactions(sink),
      moveTolerance: 3,
      // All tiles of a screen are asked for at once; the browser keeps to its own number of connections.
      maxTilesLoading: MOST_TILES_LOADING,
    })
    this.ready = new Promise((resolve) => {
      this.map.once('rendercomplete', () => {
        performance.mark('pathserve-first-view')
        this.tiles.preload()
        resolve()
      })
    })
    this.map.on('precompose', () => this.objects.frameBegins())
    this.map.on('rendercomplete', () => this.objects.complete())
    this.map.on('postrender', (event) => {
      if (event.frameState) this.publish(viewOf(event.frameState))
    })
    target.addEventListener('pointermove', this.follow)
    target.addEventListener('pointerleave', this.lose)
    this.leave = () => sink.hover(null)
  }

  /** Resolves when all that is asked for now is on the screen. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.map.once('rendercomplete', () => resolve())
      this.map.render()
    })
  }

  show(target: ViewTarget, animate: boolean): void {
    const now = this.frameView
    const center = olCoordinate(target.x ?? now?.x ?? 0, target.y ?? now?.y ?? 0)
    const resolution = target.zoom ? 1 / target.zoom : this.view.getResolution()
    const rotation = target.rotation ?? this.view.getRotation()
    this.view.cancelAnimations()
    if (animate) this.view.animate({ center, rotation, ...(resolution ? { resolution } : {}), duration: ANIMATION_MS })
    else {
      this.view.setRotation(rotation)
      this.view.setResolution(resolution)
      this.view.setCenter(center)
    }
  }

  fit(animate: boolean): void {
    const slide = this.workspace.slide.peek()
    const { width, height } = this.size()
    const zoom = fitZoom(slide, { width, height }, this.view.getRotation()) * FIT_MARGIN
    this.show({ x: slide.width / 2, y: slide.height / 2, zoom }, animate)
  }

  zoomBy(factor: number, about?: ScreenPoint): void {
    const resolution = this.view.getResolution()
    if (!resolution) return
    const anchor = about ? this.map.getCoordinateFromPixel([...about]) : this.view.getCenter()
    this.view.cancelAnimations()
    this.view.animate({ resolution: resolution / factor, duration: ANIMATION_MS, ...(anchor ? { anchor } : {}) })
  }

  panBy(dx: number, dy: number): void {
    const [width, height] = [this.size().width, this.size().height]
    const center = this.map.getCoordinateFromPixel([width / 2 + dx, height / 2 + dy])
    if (!center) return
    this.view.cancelAnimations()
    this.view.animate({ center, duration: ANIMATION_MS / 2 })
  }

  dispose(): void {
    this.target.removeEventListener('pointermove', this.follow)
    this.target.removeEventListener('pointerleave', this.lose)
    this.tiles.dispose()
    this.workspace.attach(null)
    this.objects.dispose()
    this.overlay.dispose()
    this.map.setTarget(undefined)
    this.map.dispose()
  }

  private readonly leave: () => void

  private readonly follow = (event: PointerEvent): void => {
    const [x, y] = this.map.getEventCoordinate(event)
    if (x !== undefined && y !== undefined) this.workspace.view.pointer.value = [x, -y]
  }

  private readonly lose = (): void => {
    this.workspace.view.pointer.value = null
    this.leave()
  }

  private size(): { width: number; height: number } {
    const [width = 0, height = 0] = this.map.getSize() ?? []
    return { width, height }
  }

  private publish(view: View): void {
    this.frameView = view
    const slide = this.workspace.slide.peek()
    this.workspace.view.fitZoom.value = fitZoom(slide, view, view.rotation) * FIT_MARGIN
    const old = this.workspace.view.view.peek()
    const keys = ['x', 'y', 'zoom', 'rotation', 'width', 'height'] as const
    if (!old || keys.some((key) => old[key] !== view[key])) this.workspace.view.view.value = view
  }

  private interactions(sink: PointerSink): ReturnType<typeof defaultInteractions> {
    const { interaction } = this.workspace
    const list = defaultInteractions({
      altShiftDragRotate: false,
      doubleClickZoom: false,
      dragPan: false,
      keyboard: false,
      shiftDragZoom: false,
    })
    const zoomable = new DoubleClickZoom({ delta: 1, duration: ANIMATION_MS })
    const zoom = zoomable.handleEvent.bind(zoomable)
    // OpenLayers takes any two quick clicks for a double one, also of two objects far from each other.
    let [before, last]: (readonly number[])[] = [[], []]
    zoomable.handleEvent = (event) => {
      if (event.type === 'click') [before, last] = [last, event.pixel]
      return interaction.effectiveTool.peek() === 'polygon' || !areNear(before, last) || zoom(event)
    }
    list.push(zoomable)
    list.push(new DragPan({ condition: (event: MapBrowserEvent) => this.mayPan(event) }))
    list.push(createPointer(() => this.frameView, sink))
    list.push(new DragRotate({ condition: altShiftKeysOnly, duration: ANIMATION_MS }))
    return list
  }

  /** Panning takes what the tools have not taken: the left button, fingers, and the middle button with any tool. */
  private mayPan(event: MapBrowserEvent): boolean {
    const original = event.originalEvent as PointerEvent
    if (altShiftKeysOnly(event)) return false
    return original.button === 0 || original.button === 1 || original.pointerType === 'touch'
  }
}
