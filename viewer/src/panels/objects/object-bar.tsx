import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { formatCount, plural } from '../../model/format'
import type { Workspace } from '../../store/workspace'
import { ClassChoice } from '../slide/class-choice'
import { DeletedDialog } from './deleted-dialog'

/** How many there are, and how many of them are here. */
export function ObjectCount({ workspace }: { workspace: Workspace }): JSX.Element {
  const { table, tableChoice } = workspace
  const [total, here] = [table.total.value, table.rows.value.length]
  const unknown = table.state.value === 'failed' ? 'Not counted' : 'Counting…'
  const known = total === null ? unknown : plural(total, 'object')
  return (
    <p class="object-count" role="status" data-testid="object-count">
      {known}
      {total !== null && here < total && (
        <span class="quiet"> · the first {formatCount(here)} are here; scroll on for more</span>
      )}
      {workspace.canAnnotate && total !== null && total > 1 && (
        <>
          {' '}
          <button
            type="button"
            class="link"
            disabled={tableChoice.reading.value}
            data-testid="select-all"
            onClick={() => void tableChoice.all()}
          >
            {tableChoice.reading.value ? 'Selecting…' : 'Select all'}
          </button>
        </>
      )}
      {table.stale.value && (
        <>
          {' '}
          <button type="button" class="link" onClick={() => void table.renew()}>
            Objects have changed: show them as they are now
          </button>
        </>
      )}
    </p>
  )
}

/** Leads to what was deleted. */
export function DeletedButton({ workspace }: { workspace: Workspace }): JSX.Element {
  const isOpen = useSignal(false)
  return (
    <>
      <button
        type="button"
        class="link deleted-button"
        data-testid="deleted-button"
        onClick={() => {
          isOpen.value = true
        }}
      >
        Deleted…
      </button>
      {isOpen.value && (
        <DeletedDialog
          workspace={workspace}
          onClose={() => {
            isOpen.value = false
          }}
        />
      )}
    </>
  )
}

/** What can be done to the objects that are chosen. */
export function ObjectActions({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const { interaction } = workspace
  const group = interaction.group.value
  const count = group ? group.numbers.length : Number(interaction.selection.value !== null)
  if (count === 0) return null
  return (
    <div class="object-actions" data-testid="object-actions">
      <span>{formatCount(count)} selected</span>
      {workspace.canAnnotate && (
        <>
          <ClassChoice workspace={workspace} name="Give what is selected a class" />
          <button type="button" class="button" onClick={() => workspace.deleteSelected()}>
            Delete <kbd>Del</kbd>
          </button>
        </>
      )}
    </div>
  )
}
