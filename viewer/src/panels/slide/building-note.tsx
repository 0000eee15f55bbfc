import type { JSX } from 'preact'
import { isBuilding } from '../../model/slide'
import type { Workspace } from '../../store/workspace'
import { Progress } from '../progress'

/** Says that the slide is not complete yet; goes by itself. */
export function BuildingNote({ workspace }: { workspace: Workspace }): JSX.Element | null {
  if (!isBuilding(workspace.slide.value)) return null
  return (
    <div class="notice building-note" role="status" data-testid="building-note">
      <span>
        <b>Still being built.</b> You can use the slide; overviews may come slowly or with gaps until it is done.
      </span>
      <Progress label="The slide is being built" share={null} />
    </div>
  )
}
