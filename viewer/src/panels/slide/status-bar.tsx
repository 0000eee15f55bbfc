import type { JSX } from 'preact'
import { formatCount, formatSignificant, formatTenths } from '../../model/format'
import { depthText } from '../../model/look'
import { middlePlane } from '../../model/slide'
import { degreesOf } from '../../model/view'
import type { Workspace } from '../../store/workspace'

interface Props {
  readonly workspace: Workspace
  readonly failedTiles: number
}

/** Where the pointer is, how the view lies, and what waits. */
export function StatusBar({ workspace, failedTiles }: Props): JSX.Element {
  const { view, queue, editor, display, mpp } = workspace
  const { planes, times } = workspace.slide.value
  const at = view.pointer.value
  const now = view.view.value
  return (
    <footer class="status-bar">
      <span class="status-xy" data-testid="status-xy">
        {at ? `x ${formatTenths(at[0])} · y ${formatTenths(at[1])} px` : 'x — · y — px'}
      </span>
      {mpp && (
        <span class="status-um">
          {at ? `${formatTenths(at[0] * mpp.x)} · ${formatTenths(at[1] * mpp.y)} µm` : '— · — µm'}
        </span>
      )}
      <span class="wide">{mpp ? `${formatSignificant(Math.sqrt(mpp.x * mpp.y))} µm/px` : 'pixel size unknown'}</span>
      <span class="wide">rot {now ? Number(degreesOf(now.rotation).toFixed(1)) : 0}°</span>
      <span class="wide">zoom {now ? `${Number((now.zoom * 100).toPrecision(3))} %` : '—'}</span>
      {planes > 1 && (
        <span data-testid="status-plane">
          z {depthText(display.look.value.depth, middlePlane(workspace.slide.value), planes)}
        </span>
      )}
      {times > 1 && (
        <span data-testid="status-time">
          t {display.look.value.time + 1}/{times}
        </span>
      )}
      <span class="status-space" />
      {failedTiles > 0 && <span class="warn">{formatCount(failedTiles)} tiles missing</span>}
      {workspace.canAnnotate ? (
        <>
          <span class="wide">undo {editor.undoStack.depth.value}</span>
          <span>offline queue {formatCount(queue.waiting.value)}</span>
        </>
      ) : (
        <span>read only</span>
      )}
    </footer>
  )
}
