/** All objects but the selected one, painted once per view into a picture that pans along until the next is ready. */
import { effect } from '@preact/signals'
import Layer from 'ol/layer/Layer'
import type { FrameState } from 'ol/Map'
import type { Feature } from '../model/geojson'
import { toScreen, type View, viewBox } from '../model/view'
import type { Workspace } from '../store/workspace'
import { viewOf } from './frame'
import { type PaintGroup, paintGroup, styleOf } from './paint'

/** How far the picture reaches beyond the screen, as a part of it, so that short pans show no bare edge. */
const OVERSCAN = 0.25
/** Painting gives way to the browser after this long. */
const SLICE_MS = 8
/** Objects painted between two looks at the clock. */
const BATCH = 16

interface Picture {
  /** Null where nothing is to be seen: an empty canvas would cost as much as a full one whenever it moves. */
  readonly canvas: HTMLCanvasElement | null
  readonly view: View
  readonly version: number
}

function sameScale(a: View, b: View): boolean {
  return a.zoom === b.zoom && a.rotation === b.rotation && a.width === b.width && a.height === b.height
}

/** Whether the picture of `painted`, with its overscan, still covers the screen of `view`. */
function covers(painted: View, view: View): boolean {
  if (!sameScale(painted, view)) return false
  const [px, py] = toScreen(view, [painted.x, painted.y])
  const [dx, dy] = [Math.abs(px - view.width / 2), Math.abs(py - view.height / 2)]
  return dx <= view.width * OVERSCAN && dy <= view.height * OVERSCAN
}

export class ObjectsLayer {
  readonly layer: Layer
  private readonly element = document.createElement('div')
  private picture: Picture | null = null
  private painting: Generator<void, Picture> | null = null
  private target: { view: View; version: number } | null = null
  private version = 0
  private readonly stop: () => void

  constructor(private readonly workspace: Workspace) {
    this.element.className = 'objects-layer'
    this.layer = new Layer({ render: (frame) => this.render(frame) })
    const { objects, interaction, classMap } = workspace
    this.stop = effect(() => {
      // Whatever changes how objects look makes the picture old.
      void [objects.version.value, classMap.value, interaction.selection.value, interaction.fillObjects.value]
      void [interaction.hiddenLayers.value, interaction.showObjects.value, workspace.queue.pending.value]
      this.version++
      this.layer.changed()
    })
  }

  dispose(): void {
    this.stop()
    this.painting = null
  }

  private render(frame: FrameState): HTMLElement {
    const view = viewOf(frame)
    const current = this.picture
    const old = !current || current.version !== this.version || !covers(current.view, view)
    // While the view zooms or turns, the picture is only scaled; it is painted anew when that has come to rest.
    const resting = !current || sameScale(current.view, view) || !frame.viewHints.some((count) => count > 0)
    if (old && resting) this.repaint(view, frame.pixelRatio)
    if (this.picture) this.place(this.picture, view)
    return this.element
  }

  /** Paint anew unless just that is being done; small pictures are ready at once. */
  private repaint(view: View, pixelRatio: number): void {
    const { target } = this
    if (this.painting && target?.version === this.version && covers(target.view, view)) return
    this.target = { view, version: this.version }
    this.painting = this.paint(view, pixelRatio)
    this.advance(this.painting)
  }

  private advance(painting: Generator<void, Picture>): void {
    if (painting !== this.painting) return
    const deadline = performance.now() + SLICE_MS
    for (let step = painting.next(); ; step = painting.next()) {
      if (step.done) {
        this.painting = null
        this.picture = step.value
        this.element.replaceChildren(...(step.value.canvas ? [step.value.canvas] : []))
        this.layer.changed()
        return
      }
      if (performance.now() > deadline) {
        requestAnimationFrame(() => this.advance(painting))
        return
      }
    }
  }

  private *paint(view: View, pixelRatio: number): Generator<void, Picture> {
    const { version } = this
    const groups = this.groups(view)
    if (groups.length === 0) return { canvas: null, view, version }
    const canvas = document.createElement('canvas')
    canvas.width = Math.round(view.width * (1 + 2 * OVERSCAN) * pixelRatio)
    canvas.height = Math.round(view.height * (1 + 2 * OVERSCAN) * pixelRatio)
    canvas.style.width = `${view.width * (1 + 2 * OVERSCAN)}px`
    canvas.style.height = `${view.height * (1 + 2 * OVERSCAN)}px`
    const context = canvas.getContext('2d')
    if (context) {
      context.scale(pixelRatio, pixelRatio)
      context.translate(view.width * OVERSCAN, view.height * OVERSCAN)
      for (const group of groups) {
        for (let from = 0; from < group.features.length; from += BATCH) {
          paintGroup(context, view, group.style, group.features.slice(from, from + BATCH))
          yield
        }
      }
    }
    return { canvas, view, version }
  }

  /** What is to be painted, by style; large objects first so that small ones lie on top. */
  private groups(view: View): PaintGroup[] {
    const { objects, interaction, queue, visible, classMap } = this.workspace
    const selected = interaction.selection.peek()
    const pending = queue.pending.peek()
    const groups = new Map<string, { style: PaintGroup['style']; features: Feature[] }>()
    for (const feature of objects.search(viewBox(view, OVERSCAN * 1.5))) {
      if (feature.id === selected || !visible(feature)) continue
      const refused = pending.get(feature.id)?.status === 'refused'
      const style = styleOf(feature, classMap.peek(), interaction.fillObjects.peek(), refused)
      const group = groups.get(style.key) ?? { style, features: [] }
      group.features.push(feature)
      groups.set(style.key, group)
    }
    return [...groups.values()]
  }

  /** Lay the picture over the slide by moving, turning and scaling it. */
  private place({ canvas, view: painted }: Picture, view: View): void {
    if (!canvas) return
    const scale = view.zoom / painted.zoom
    const turn = view.rotation - painted.rotation
    const [cos, sin] = [Math.cos(turn) * scale, Math.sin(turn) * scale]
    const [px, py] = toScreen(view, [painted.x, painted.y])
    const [cx, cy] = [painted.width * (0.5 + OVERSCAN), painted.height * (0.5 + OVERSCAN)]
    const [e, f] = [px - cos * cx + sin * cy, py - sin * cx - cos * cy]
    canvas.style.transform = `matrix(${cos}, ${sin}, ${-sin}, ${cos}, ${e}, ${f})`
  }
}
