import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { canBeExhaustive, type Exhaustive, exhaustiveOf } from '../../model/exhaustive'
import type { Feature } from '../../model/geojson'
import type { Workspace } from '../../store/workspace'

/** Whether everything within the area is annotated, and of which classes. */
export function ExhaustiveField({
  workspace,
  feature,
}: {
  workspace: Workspace
  feature: Feature
}): JSX.Element | null {
  // A list without a class means nothing to the server: it is kept here until one is chosen.
  const choosing = useSignal<string | null>(null)
  if (!canBeExhaustive(feature)) return null
  const now = exhaustiveOf(feature)
  const listed: readonly string[] = Array.isArray(now) ? now : []
  const bySome = listed.length > 0 || choosing.value === feature.id
  const isOn = now !== false || bySome
  const give = (exhaustive: Exhaustive): void => {
    choosing.value = null
    workspace.describeSelected({ exhaustive: exhaustive === false ? undefined : exhaustive })
  }
  const toggle = (name: string, isChosen: boolean): void => {
    const names = isChosen ? [...listed, name] : listed.filter((each) => each !== name)
    if (names.length > 0) give(names)
  }
  const names = [...new Set([...workspace.classes.value.map(({ name }) => name), ...listed])]
  return (
    <fieldset class="exhaustive" data-testid="exhaustive">
      <legend>
        <label>
          <input
            type="checkbox"
            data-testid="exhaustive-toggle"
            checked={isOn}
            onChange={(event) => give(event.currentTarget.checked)}
          />
          Exhaustively annotated area
        </label>
      </legend>
      <p class="quiet">What has no annotation within this frame is background in masks; elsewhere it is unknown.</p>
      {isOn && (
        <>
          <select
            aria-label="Classes that are annotated exhaustively"
            value={bySome ? 'some' : 'all'}
            onChange={(event) => {
              if (event.currentTarget.value === 'all') give(true)
              else choosing.value = feature.id
            }}
          >
            <option value="all">of all classes</option>
            <option value="some">of these classes only</option>
          </select>
          {bySome && (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
            <ul tabIndex={0} aria-label="Classes">
              {names.map((name) => (
                <li key={name}>
                  <label>
                    <input
                      type="checkbox"
                      checked={listed.includes(name)}
                      disabled={listed.length === 1 && listed[0] === name}
                      onChange={(event) => toggle(name, event.currentTarget.checked)}
                    />
                    <span class="clip">{name}</span>
                  </label>
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </fieldset>
  )
}
