import type { JSX } from 'preact'
import { formatCount, plural } from '../../model/format'
import { actionText, type LeftMember } from '../../model/group-edit'
import type { PendingGroup } from '../../store/pending'
import type { Workspace } from '../../store/workspace'
import { Dialog } from './dialog'

/** So many are named. */
const SHOWN = 100

/** Objects of a change of many that others have changed meanwhile: the change all the same, or theirs. */
export function GroupConflictDialog(props: {
  workspace: Workspace
  record: PendingGroup
  onClose: () => void
}): JSX.Element {
  const { workspace, record, onClose } = props
  const { left, members, done, reason, action, isBack } = record
  const gone = left.filter(({ isGone }) => isGone).length
  const changed = left.filter(({ isGone }) => !isGone)
  const settle = (choice: 'mine' | 'theirs'): void => {
    void workspace.queue.resolveGroup(record.id, choice)
    onClose()
  }
  const line = ({ number, className, state, author, seen, id }: LeftMember): JSX.Element => (
    <li key={number ?? id} data-testid="left-row">
      <b>#{number}</b>
      <span class="left-what">
        <span class="clip" title={className ?? ''}>
          {className ?? 'Unclassified'}
        </span>
        <span class="quiet">
          {state} · {author} · rev {formatCount(seen)}
        </span>
      </span>
      <button
        type="button"
        class="link"
        onClick={() => {
          if (id) void workspace.goTo(id)
          onClose()
        }}
      >
        Show
      </button>
    </li>
  )
  return (
    <Dialog title="A change of many objects" onClose={onClose}>
      <div class="conflict" data-testid="group-conflict">
        {reason === '' ? (
          <p>
            {plural(changed.length, 'object')} that should {actionText(action, isBack)}{' '}
            {changed.length === 1 ? 'has' : 'have'} been changed by others after you had seen{' '}
            {changed.length === 1 ? 'it' : 'them'}, and {changed.length === 1 ? 'stays' : 'stay'} as below until you
            choose.
            {done.length > 0 && ` It is done to the other ${formatCount(done.length)}.`}
            {gone > 0 && ` ${formatCount(gone)} ${gone === 1 ? 'has' : 'have'} been deleted.`}
          </p>
        ) : (
          <p>
            {plural(members.length, 'object')} could not {actionText(action, isBack)}: {reason}
          </p>
        )}
        {changed.length > 0 && (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          <ul class="left-list" tabIndex={0} aria-label="Changed by others">
            {changed.slice(0, SHOWN).map(line)}
            {changed.length > SHOWN && <li class="quiet">and {formatCount(changed.length - SHOWN)} more</li>}
          </ul>
        )}
        <div class="dialog-buttons">
          <button type="button" class="button" data-testid="group-mine" onClick={() => settle('mine')}>
            {reason === '' ? 'Mine: do it all the same' : 'Try again'}
          </button>
          <button type="button" class="button" data-testid="group-theirs" onClick={() => settle('theirs')}>
            {reason === '' ? 'Theirs: leave them as they are' : 'Give it up'}
          </button>
        </div>
      </div>
    </Dialog>
  )
}
