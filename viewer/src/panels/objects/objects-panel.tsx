import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Workspace } from '../../store/workspace'
import { Progress } from '../progress'
import { DeletedButton, ObjectActions, ObjectCount } from './object-bar'
import { ObjectFilter } from './object-filter'
import { ObjectGrid } from './object-grid'
import '../../style/objects.css'

/** All objects of the slide as a table. */
export function ObjectsPanel({ workspace }: { workspace: Workspace }): JSX.Element {
  const { table } = workspace
  useEffect(() => table.follow(), [table])
  const isLoading = table.state.value === 'loading'
  return (
    <div class="objects" data-testid="objects">
      <ObjectFilter table={table} unit={workspace.mpp ? 'µm²' : 'px²'} />
      <div class="object-loading">{isLoading && <Progress label="Reading objects" share={null} />}</div>
      <ObjectGrid workspace={workspace} />
      <footer>
        <ObjectCount workspace={workspace} />
        <DeletedButton workspace={workspace} />
        <ObjectActions workspace={workspace} />
      </footer>
    </div>
  )
}
