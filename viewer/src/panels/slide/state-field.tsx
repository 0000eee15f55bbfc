import { useSignal } from '@preact/signals'
import type { JSX, TargetedInputEvent, TargetedKeyboardEvent } from 'preact'
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

/**
 * A state to be given: one of those that the slide has, or any other.
 *
 * Enter gives it, or a pick from the list. Either leaves the field, so that the keys after it mean the slide again.
 * Who leaves in another way, with Escape or a click elsewhere, gives nothing: half a word is no state of hundreds.
 */
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
    field.blur()
    if (state !== '' && state !== now) onGive(state)
  }
  const key = (event: TargetedKeyboardEvent<HTMLInputElement>): void => {
    if (event.isComposing) return
    if (event.key === 'Enter') give(event.currentTarget)
    else if (event.key === 'Escape') event.currentTarget.blur()
  }
  /** A pick from the list comes as one replacement of the text; typed letters come as they are. */
  const pick = (event: TargetedInputEvent<HTMLInputElement>): void => {
    const isPick = !event.inputType || event.inputType === 'insertReplacementText'
    if (isPick && known.peek().includes(event.currentTarget.value)) give(event.currentTarget)
  }
  return (
    <label class="state-field">
      <span>{label}</span>
      <input
        list="known-states"
        autocomplete="off"
        maxLength={200}
        defaultValue={now}
        placeholder={now === '' ? 'Change…' : ''}
        title="Enter gives it, Esc leaves it"
        data-testid={testId}
        onFocus={learn}
        onKeyDown={key}
        onInput={pick}
        onBlur={(event) => {
          event.currentTarget.value = now
        }}
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
