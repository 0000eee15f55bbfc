import type { JSX } from 'preact'
import { classNameOf } from '../../model/annotation-class'
import { formatCount, plural } from '../../model/format'
import type { Feature } from '../../model/geojson'
import { vertexCount } from '../../model/geometry'
import { changesBetween } from '../../model/history'
import type { Pending } from '../../store/pending'
import type { Workspace } from '../../store/workspace'
import { Dialog } from './dialog'
import { GroupConflictDialog } from './group-conflict'

function describe(feature: Feature | null): string {
  if (!feature) return 'deleted'
  const vertices = plural(vertexCount(feature.geometry), 'vertex').replace('vertexs', 'vertices')
  return `${classNameOf(feature) ?? 'Unclassified'}, ${vertices}, ${feature.properties.state ?? 'draft'}`
}

/** Somebody else has changed the same object: mine, theirs, or both. */
export function ConflictDialog({
  workspace,
  onClose,
}: {
  workspace: Workspace
  onClose: () => void
}): JSX.Element | null {
  const conflicts = [...workspace.queue.pending.value.values()].filter((record) => record.status === 'conflict')
  const record: Pending | undefined = conflicts[0]
  const [group] = [...workspace.queue.groups.value.values()].filter(({ status }) => status === 'conflict')
  if (!record?.theirs)
    return group ? <GroupConflictDialog workspace={workspace} record={group} onClose={onClose} /> : null
  const { desired, theirs } = record
  const author = theirs.feature?.properties.author
  const settle = (choice: 'mine' | 'theirs' | 'both'): void => {
    void workspace.editor.resolve(record, choice)
    if (conflicts.length === 1) onClose()
  }
  return (
    <Dialog title="Two versions of one object" onClose={onClose}>
      <div class="conflict">
        <p>
          Somebody else saved this object after you had loaded it. Keeping mine leaves theirs in the object's history;
          keeping theirs discards mine; both makes mine an object of its own. On the slide, theirs is drawn with a
          dashed white line.
        </p>
        <dl class="facts">
          <div>
            <dt>Mine</dt>
            <dd>{describe(desired)}</dd>
          </div>
          <div>
            <dt>Theirs</dt>
            <dd>
              {describe(theirs.feature)} · rev {formatCount(theirs.revision)}
              {author && ` by ${author}`}
            </dd>
          </div>
          {desired && theirs.feature && (
            <div>
              <dt>Mine → theirs</dt>
              <dd data-testid="conflict-differences">{changesBetween(desired, theirs.feature)}</dd>
            </div>
          )}
        </dl>
        <div class="dialog-buttons">
          <button type="button" class="button" data-testid="conflict-mine" onClick={() => settle('mine')}>
            Keep mine
          </button>
          <button type="button" class="button" data-testid="conflict-theirs" onClick={() => settle('theirs')}>
            Keep theirs
          </button>
          {desired && theirs.feature && (
            <button type="button" class="button" data-testid="conflict-both" onClick={() => settle('both')}>
              Keep both
            </button>
          )}
        </div>
        {conflicts.length > 1 && <p class="quiet">{conflicts.length - 1} more after this one.</p>}
      </div>
    </Dialog>
  )
}
