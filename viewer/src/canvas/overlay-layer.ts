/** What is being worked on, painted anew in every frame: objects that the tiles are behind of, the selected one, the draft. */
import { effect } from '@preact/signals'
import Layer from 'ol/layer/Layer'
import type { FrameState } from 'ol/Map'
import { cssColor, UNCLASSIFIED } from '../model/annotation-class'
import { type Feature, type Position, pathsOf } from '../model/geojson'
import { boundsOf } from '../model/geometry'
import { type Picked, pickedOf, samePicked } from '../model/picked'
import { toScreen, type View } from '../model/view'
import type { Draft } from '../store/interaction'
import type { Workspace } from '../store/workspace'
import { viewOf } from './frame'
import { paintGroup, styleOf } from './paint'

const HANDLE_RADIUS = 3.5
/** Objects smaller than this on the screen get handles of two thirds the size. */
const SMALL_OBJECT_PX = 120

type Context = CanvasRenderingContext2D

function dot(context: Context, view: View, position: Position, radius: number, fill: string, stroke: string): void {
  const [x, y] = toScreen(view, [position[0], position[1]])
  context.beginPath()
  context.arc(x, y, radius, 0, 2 * Math.PI)
  context.fillStyle = fill
  context.fill()
  context.strokeStyle = stroke
  context.stroke()
}

/** Paint the vertices on the screen, leaving out those that would touch the one before. */
function paintHandles(context: Context, view: View, feature: Feature): void {
  context.lineWidth = 1.25
  const [x0, y0, x1, y1] = boundsOf(feature.geometry)
  const small = Math.max(x1 - x0, y1 - y0) * view.zoom < SMALL_OBJECT_PX
  const radius = small ? HANDLE_RADIUS * (2 / 3) : HANDLE_RADIUS
  // Handles nearer to each other than this would hide the outline.
  const gap = radius * 2.6
  for (const { positions } of pathsOf(feature.geometry)) {
    let [lastX, lastY] = [-Infinity, -Infinity]
    for (const position of positions) {
      const [x, y] = toScreen(view, [position[0], position[1]])
      const outside = x < -9 || y < -9 || x > view.width + 9 || y > view.height + 9
      if (outside || Math.abs(x - lastX) + Math.abs(y - lastY) < gap) continue
      dot(context, view, position, radius, '#fff', '#12161a')
      ;[lastX, lastY] = [x, y]
    }
  }
}

function paintDraft(context: Context, view: View, draft: Draft, color: string): void {
  const points = draft.cursor ? [...draft.vertices, draft.cursor] : draft.vertices
  context.beginPath()
  for (const [x, y] of points) context.lineTo(...toScreen(view, [x, y]))
  for (const [stroke, width] of [
    ['rgb(0 0 0 / 0.55)', 4],
    [color, 2],
  ] as const) {
    context.strokeStyle = stroke
    context.lineWidth = width
    context.stroke()
  }
  const [first] = draft.vertices
  if (first) dot(context, view, first, draft.closing ? 7 : 4.5, draft.closing ? color : '#fff', '#12161a')
}

/** The box that is drawn around objects: dark and light dashes, so that it is seen on anything. */
function paintBand(context: Context, view: View, ring: readonly Position[]): void {
  context.beginPath()
  for (const [x, y] of ring) context.lineTo(...toScreen(view, [x, y]))
  context.closePath()
  context.fillStyle = 'rgb(255 255 255 / 0.12)'
  context.fill()
  context.lineWidth = 1.5
  for (const [stroke, dash] of [
    ['rgb(0 0 0 / 0.7)', []],
    ['#fff', [6, 4]],
  ] as const) {
    context.strokeStyle = stroke
    context.setLineDash([...dash])
    context.stroke()
  }
  context.setLineDash([])
}

/** An object as its tile has it, in a form that can be painted. */
function featureOf({ id, className, layer, geometry }: Picked): Feature {
  const classification = className === null ? {} : { classification: { name: className } }
  return { type: 'Feature', id: id ?? '', geometry, properties: { ...classification, layer } }
}

export class OverlayLayer {
  readonly layer: Layer
  private readonly canvas = document.createElement('canvas')
  /** Whether nothing stands on the canvas: touching it costs as much as painting it. */
  private blank = false
  private readonly stop: () => void

  constructor(private readonly workspace: Workspace) {
    this.canvas.className = 'overlay-layer'
    this.layer = new Layer({ render: (frame) => this.render(frame) })
    const { interaction, objects, classMap, touched } = workspace
    this.stop = effect(() => {
      void [touched.touches.value, interaction.band.value, interaction.hiddenClasses.value]
      void [interaction.selection.value, interaction.draft.value, interaction.reshape.value, interaction.handle.value]
      void interaction.preview.value
      void [interaction.effectiveTool.value, interaction.hover.value, objects.version.value, classMap.value]
      void [interaction.showObjects.value, interaction.hiddenLayers.value, interaction.activeClass.value]
      void [interaction.fillObjects.value, workspace.queue.pending.value]
      this.layer.changed()
    })
  }

  dispose(): void {
    this.stop()
  }

  private render(frame: FrameState): HTMLElement {
    const view = viewOf(frame)
    const [width, height] = [view.width * frame.pixelRatio, view.height * frame.pixelRatio].map(Math.round)
    const empty = this.isEmpty()
    if (empty && this.blank) return this.canvas
    this.blank = empty
    if (this.canvas.width !== width) this.canvas.width = width ?? 0
    if (this.canvas.height !== height) this.canvas.height = height ?? 0
    const context = this.canvas.getContext('2d')
    if (context) {
      context.setTransform(frame.pixelRatio, 0, 0, frame.pixelRatio, 0, 0)
      context.clearRect(0, 0, view.width, view.height)
      context.setLineDash([])
      this.paint(context, view)
    }
    return this.canvas
  }

  private isEmpty(): boolean {
    const { interaction, queue, touched } = this.workspace
    const { selection, preview, hover, handle, draft, band } = interaction
    if ([selection, preview, hover, handle, draft, band].some((signal) => signal.peek() !== null)) return false
    if (touched.touches.peek().size > 0) return false
    return ![...queue.pending.peek().values()].some(({ theirs }) => theirs?.feature)
  }

  private paint(context: Context, view: View): void {
    const { interaction, objects } = this.workspace
    const selected = interaction.selection.peek()
    this.paintTouched(context, view, selected)
    this.paintTheirs(context, view)
    const hovered = interaction.hover.peek()
    const preview = interaction.preview.peek()
    if (preview) this.paintObject(context, view, featureOf(preview), 2.25)
    const stored = selected === null ? undefined : objects.get(selected)
    if (hovered && !samePicked(hovered, stored ? pickedOf(stored) : null)) {
      this.paintObject(context, view, featureOf(hovered), 2.5)
    }
    this.paintSelected(context, view, selected === null ? undefined : objects.get(selected))
    const handle = interaction.handle.peek()
    if (handle) dot(context, view, handle.position, handle.kind === 'vertex' ? 5.5 : 4, '#fff', '#0b84c9')
    const draft = interaction.draft.peek()
    const band = interaction.band.peek()
    if (band) paintBand(context, view, band)
    const active = this.workspace.classMap.peek().get(interaction.activeClass.peek() ?? '')
    if (draft) paintDraft(context, view, draft, cssColor(active?.color ?? UNCLASSIFIED))
  }

  /** What the tiles do not show as it is. */
  private paintTouched(context: Context, view: View, selected: string | null): void {
    const { touched, objects, visible, classMap, interaction } = this.workspace
    for (const id of touched.touches.peek().keys()) {
      const feature = id === selected ? undefined : objects.get(id)
      if (!feature || !visible(feature)) continue
      const refused = this.workspace.reasonOf(id) !== ''
      const style = styleOf(feature, classMap.peek(), interaction.fillObjects.peek(), refused)
      paintGroup(context, view, style, [feature])
    }
  }

  /** The other reader's form of an object in conflict, to be compared with the own one. */
  private paintTheirs(context: Context, view: View): void {
    for (const { theirs } of this.workspace.queue.pending.peek().values()) {
      if (!theirs?.feature) continue
      const line = { key: 'theirs', fill: null, dash: [] }
      paintGroup(context, view, { ...line, stroke: 'rgb(0 0 0 / 0.7)', width: 4 }, [theirs.feature])
      paintGroup(context, view, { ...line, stroke: '#fff', width: 2, dash: [7, 5] }, [theirs.feature])
    }
  }

  private paintSelected(context: Context, view: View, stored: Feature | undefined): void {
    if (!stored) return
    const { interaction } = this.workspace
    const reshape = interaction.reshape.peek()
    const feature = reshape?.id === stored.id ? { ...stored, geometry: reshape.geometry } : stored
    this.paintObject(context, view, feature, 2.25)
    if (interaction.effectiveTool.peek() === 'select' && this.workspace.mayEdit(feature)) {
      paintHandles(context, view, feature)
    }
  }

  private paintObject(context: Context, view: View, feature: Feature | undefined, width: number): void {
    const { classMap, interaction, visible } = this.workspace
    if (!feature || !visible(feature)) return
    const refused = this.workspace.reasonOf(feature.id) !== ''
    const style = styleOf(feature, classMap.peek(), interaction.fillObjects.peek(), refused)
    // A dark rim sets the outline off from tissue of the same colour.
    paintGroup(context, view, { ...style, stroke: 'rgb(0 0 0 / 0.5)', fill: null, width: width + 2, dash: [] }, [
      feature,
    ])
    paintGroup(context, view, { ...style, width }, [feature])
  }
}
