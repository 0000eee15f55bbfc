import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { getStates } from '../../api/objects'
import type { Feature } from '../../model/geojson'
import type { Workspace } from '../../store/workspace'

/** States that reviews usually have; any other text will do. */
const USUAL = ['draft', 'submitted', 'approved', 'rejected']

/** The review state: one of those that the slide has, or any other. */
export function StateField({ workspace, feature }: { workspace: Workspace; feature: Feature }): JSX.Element {
  const known = useSignal<readonly string[]>(USUAL)
  const now = feature.properties.state ?? 'draft'
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
    else if (state !== now) workspace.describeSelected({ state })
  }
  return (
    <label class="state-field">
      <span>State</span>
      <input
        key={`${feature.id} ${now}`}
        list="known-states"
        autocomplete="off"
        maxLength={100}
        defaultValue={now}
        data-testid="state-field"
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
