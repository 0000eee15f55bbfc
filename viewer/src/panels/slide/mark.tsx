import type { JSX } from 'preact'
import { toScreen } from '../../model/view'
import type { Workspace } from '../../store/workspace'

/** The frame around a place that somebody has asked to be shown. */
export function Mark({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const box = workspace.view.mark.value
  const view = workspace.view.view.value
  if (!box || !view) return null
  const [x0, y0, x1, y1] = box
  const corners = (
    [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ] as const
  ).map((corner) => toScreen(view, corner).join())
  return (
    <svg class="mark" aria-hidden="true" data-testid="mark">
      <polygon class="mark-rim" points={corners.join(' ')} />
      <polygon class="mark-line" points={corners.join(' ')} />
    </svg>
  )
}
