import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { getStates } from '../../api/objects'
import type { Feature } from '../../model/geojson'
import type { Workspace } from '../../store/workspace'

/** States that reviews usually have; any other text will do. */
const USUAL = ['draft', 'submitted', 'approved', 'rejected']

interface Props {
  readonly workspace: Workspace
  readonly label: string
  /** The state of now; '' when there are several. */
  readonly now: string
  readonly testId: string
  readonly onGive: (state: string) => void
}

/** A state to be given: one of those that the slide has, or any other. */
export function StateInput({ workspace, label, now, testId, onGive }: Props): JSX.Element {
  const known = useSignal<readonly string[]>(USUAL)
  const learn = (): void => {
    void getStates(workspace.slide.peek().id).then(
      (states) => {
        known.value = [...new Set([...USUAL, ...states])]
      },
      // The usual ones do without the server.
      () => undefined,
    )
  }
  const give = (field: HTMLInputElement): void => {
    const state = field.value.trim()
    if (state === '') field.value = now
    else if (state !== now) onGive(state)
  }
  return (
    <label class="state-field">
      <span>{label}</span>
      <input
        list="known-states"
        autocomplete="off"
        maxLength={100}
        defaultValue={now}
        placeholder={now === '' ? 'Change…' : ''}
        data-testid={testId}
        onFocus={learn}
        onChange={(event) => give(event.currentTarget)}
      />
      <datalist id="known-states">
        {known.value.map((state) => (
          <option key={state} value={state} />
        ))}
      </datalist>
    </label>
  )
}

/** The review state of one object. */
export function StateField({ workspace, feature }: { workspace: Workspace; feature: Feature }): JSX.Element {
  const now = feature.properties.state ?? 'draft'
  return (
    <StateInput
      key={`${feature.id} ${now}`}
      workspace={workspace}
      label="State"
      now={now}
      testId="state-field"
      onGive={(state) => workspace.describeSelected({ state })}
    />
  )
}
