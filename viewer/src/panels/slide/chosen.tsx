import type { JSX } from 'preact'
import { cssColor, UNCLASSIFIED } from '../../model/annotation-class'
import { formatCount } from '../../model/format'
import { classCounts } from '../../model/picked'
import type { Workspace } from '../../store/workspace'

/** Many objects that were chosen together: how many of each class, and what can be done to all. */
export function Chosen({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const group = workspace.interaction.group.value
  if (!group) return null
  const busy = workspace.groups.busy.value
  return (
    <section class="panel-section" aria-labelledby="chosen-heading" aria-busy={busy} data-testid="chosen">
      <h2 id="chosen-heading">
        Selected · {formatCount(group.numbers.length)} objects <span>{busy ? 'Saving…' : ''}</span>
      </h2>
      <ul class="rows">
        {classCounts(group).map(([name, count]) => (
          <li key={name ?? ''} class="row row-plain">
            <span
              class="swatch"
              style={{ background: cssColor(workspace.classMap.value.get(name ?? '')?.color ?? UNCLASSIFIED) }}
            />
            <span class="clip">{name ?? 'Unclassified'}</span>
            <span class="count">{formatCount(count)}</span>
          </li>
        ))}
      </ul>
      {workspace.canAnnotate && (
        <div class="actions">
          <button
            type="button"
            class="button"
            data-testid="delete-chosen"
            disabled={busy}
            onClick={() => workspace.deleteSelected()}
          >
            Delete all <kbd>Del</kbd>
          </button>
        </div>
      )}
    </section>
  )
}
