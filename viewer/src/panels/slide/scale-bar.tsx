import type { JSX } from 'preact'
import { scaleBar } from '../../model/scale-bar'
import type { Workspace } from '../../store/workspace'

const ROOM = 150

export function ScaleBarView({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const view = workspace.view.view.value
  if (!view) return null
  const { width, label } = scaleBar(view.zoom, view.rotation, workspace.mpp, ROOM)
  return (
    <div
      class="scale-bar"
      data-testid="scale-bar"
      title={workspace.mpp ? undefined : 'The pixel size of this scan is unknown.'}
    >
      <span>{label}</span>
      <i style={{ width: `${width}px` }} />
    </div>
  )
}
