import { useSignal, useSignalEffect } from '@preact/signals'
import type { JSX, TargetedPointerEvent } from 'preact'
import { thumbnailUrl } from '../../model/slide'
import { cornersOf } from '../../model/view'
import type { Workspace } from '../../store/workspace'
import { CompanyOutlines } from './company'

/** Longer side of the minimap in CSS pixels. */
const SIDE = 148
/** Longer side of the picture that is asked for. */
const PICTURE = 512

/** How long a look rests before the overview takes it on: each costs the server a picture. */
const REST_MS = 400

/** The whole slide with the place that is on the screen; press or drag to go there. */
export function Minimap({ workspace }: { workspace: Workspace }): JSX.Element {
  const slide = workspace.slide.value
  const view = workspace.view.view.value
  const overview = useSignal(thumbnailUrl(slide, PICTURE, workspace.display.look.peek()))
  useSignalEffect(() => {
    const address = thumbnailUrl(workspace.slide.value, PICTURE, workspace.display.look.value)
    const timer = setTimeout(() => {
      overview.value = address
    }, REST_MS)
    return () => clearTimeout(timer)
  })
  const scale = SIDE / Math.max(slide.width, slide.height)
  const [width, height] = [Math.max(1, slide.width * scale), Math.max(1, slide.height * scale)]

  const go = (event: TargetedPointerEvent<HTMLButtonElement>, jump: boolean): void => {
    const box = event.currentTarget.getBoundingClientRect()
    const x = ((event.clientX - box.left) / box.width) * slide.width
    const y = ((event.clientY - box.top) / box.height) * slide.height
    if (jump) workspace.view.jumps.value++
    workspace.view.show({ x, y })
  }
  const points = view ? cornersOf(view).map(([x, y]) => `${x * scale},${y * scale}`) : []

  return (
    <button
      type="button"
      class="minimap"
      aria-label="Overview: press to go there"
      tabIndex={-1}
      style={{ width: `${width}px`, height: `${height}px` }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        go(event, true)
      }}
      onPointerMove={(event) => event.buttons === 1 && go(event, false)}
    >
      <img key={slide.status} src={overview.value} alt="" draggable={false} fetchPriority="low" />
      <svg width={width} height={height} aria-hidden="true">
        <CompanyOutlines workspace={workspace} scale={scale} />
        <polygon class="minimap-rim" points={points.join(' ')} />
        <polygon class="minimap-box" points={points.join(' ')} />
      </svg>
    </button>
  )
}
