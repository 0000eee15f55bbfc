import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Deletion } from '../../model/deletions'
import { formatCount, formatTime, plural } from '../../model/format'
import type { Workspace } from '../../store/workspace'
import { Progress } from '../progress'
import { Dialog } from '../slide/dialog'
import '../../style/history.css'

interface Props {
  readonly workspace: Workspace
  readonly onClose: () => void
}

/** What was deleted not long ago, and can be brought back. */
export function DeletedDialog({ workspace, onClose }: Props): JSX.Element {
  const { deletions, canAnnotate } = workspace
  useEffect(() => void deletions.load(), [deletions])
  const items = deletions.items.value
  const state = deletions.state.value
  const problem = deletions.problem.value
  const bringBack = async (deletion: Deletion): Promise<void> => {
    const [only, more] = await deletions.bringBack(deletion)
    if (!only) return
    if (more === undefined) void workspace.goTo(only)
    else workspace.show(deletion.box)
    onClose()
  }
  const line = (deletion: Deletion): JSX.Element => {
    const { revision, author, at, layer, count, box } = deletion
    return (
      <li key={`${revision} ${layer}`} data-testid="deletion" data-revision={revision}>
        <b>{plural(count, 'object')}</b>
        <span class="quiet">
          {layer} · {author} · {formatTime(at)} · rev {formatCount(revision)}
        </span>
        <span class="deletion-actions">
          {box && (
            <button
              type="button"
              class="link"
              onClick={() => {
                workspace.show(box)
                // It would lie over the place.
                onClose()
              }}
            >
              Show the place
            </button>
          )}
          {canAnnotate && (
            <button type="button" class="link" onClick={() => void bringBack(deletion)}>
              Bring back
            </button>
          )}
        </span>
      </li>
    )
  }
  return (
    <Dialog title="Deleted objects" onClose={onClose}>
      <div class="deletions" aria-live="polite" aria-busy={state === 'loading'}>
        {state === 'loading' && <Progress label="Reading what was deleted" share={null} />}
        {problem !== '' && <p class="note note-bad">{problem}</p>}
        {state === 'ready' && items.length === 0 && <p class="note">Nothing has been deleted lately.</p>}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
        <ul tabIndex={0} aria-label="Deletions">
          {items.map(line)}
        </ul>
        {deletions.since.value > 0 && (
          <button type="button" class="button" onClick={() => void deletions.more()}>
            Look further back
          </button>
        )}
      </div>
    </Dialog>
  )
}
