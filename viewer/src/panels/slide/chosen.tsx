import type { JSX } from 'preact'
import { cssColor, UNCLASSIFIED } from '../../model/annotation-class'
import { formatCount, plural } from '../../model/format'
import { classCounts } from '../../model/picked'
import type { Workspace } from '../../store/workspace'
import { ClassChoice } from './class-choice'
import { StateInput } from './state-field'

/** Many objects that were chosen together: how many of each class, and what can be done to all. */
export function Chosen({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const group = workspace.interaction.group.value
  if (!group) return null
  return (
    <section class="panel-section" aria-labelledby="chosen-heading" data-testid="chosen">
      <h2 id="chosen-heading">Selected · {plural(group.numbers.length, 'object')}</h2>
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
          <label class="choice choice-plain" for="class-chosen">
            <span>Class of all</span>
            <ClassChoice workspace={workspace} id="class-chosen" />
          </label>
          <button type="button" class="button" data-testid="delete-chosen" onClick={() => workspace.deleteSelected()}>
            {group.numbers.length === 1 ? 'Delete' : 'Delete all'} <kbd>Del</kbd>
          </button>
          <StateInput
            workspace={workspace}
            label="State of all"
            now=""
            testId="state-chosen"
            onGive={(state) => workspace.giveChosenState(state)}
          />
        </div>
      )}
    </section>
  )
}
