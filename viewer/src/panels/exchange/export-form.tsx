import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import type { Format } from '../../model/exchange'
import type { ExportChoice } from '../../store/export-choice'
import type { Workspace } from '../../store/workspace'
import { Choice, TextField } from './fields'
import { FrameFields } from './frame-fields'

interface Props {
  readonly workspace: Workspace
  readonly choice: ExportChoice
  readonly formats: readonly Format[]
}

/** Which annotations, as which format, as they were when. */
export function ExportForm({ workspace, choice, formats }: Props): JSX.Element {
  const set = (into: Signal<string>) => (value: string) => {
    into.value = value
    choice.touched()
  }
  const writable = formats.filter(({ writes }) => writes)
  const known = writable.length > 0 ? writable : [{ name: 'geojson', title: 'GeoJSON' }]
  const first = ['geojson', 'qupath']
  const sorted = [...known].sort(
    (a, b) => Number(first.includes(b.name)) - Number(first.includes(a.name)) || a.title.localeCompare(b.title),
  )
  return (
    <>
      <div class="form-grid">
        <Choice
          label="Format"
          value={choice.format.value}
          onChange={set(choice.format)}
          options={sorted.map(({ name, title }) => [name, title] as const)}
        />
        <Choice
          label="Layer"
          value={choice.layer.value}
          onChange={set(choice.layer)}
          options={[['', 'all layers'], ...workspace.layers.value.map(({ name }) => [name, name] as const)]}
        />
        <Choice
          label="Class"
          value={choice.className.value}
          onChange={set(choice.className)}
          options={[['', 'all classes'], ...workspace.classes.value.map(({ name }) => [name, name] as const)]}
        />
        <TextField
          label="As it was"
          hint="a revision or a time; empty: now"
          placeholder="120 or 2026-01-31T12:00:00Z"
          value={choice.asOf.value}
          onInput={set(choice.asOf)}
        />
      </div>
      {[...workspace.table.narrowing()].length > 0 && (
        <label class="form-check">
          <input
            type="checkbox"
            data-testid="as-listed"
            checked={choice.asListed.value}
            onChange={(event) => {
              choice.asListed.value = event.currentTarget.checked
              choice.touched()
            }}
          />
          Only what the list of objects is narrowed to
        </label>
      )}
      <FrameFields frame={choice.frame} onChange={() => choice.touched()} />
    </>
  )
}
