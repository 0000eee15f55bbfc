import type { JSX } from 'preact'
import type { Format } from '../../model/exchange'
import type { ImportRun, OnConflict } from '../../store/import-run'
import type { Workspace } from '../../store/workspace'
import { Choice, TextField } from './fields'
import { FileField } from './file-field'
import { FrameFields } from './frame-fields'

const CONFLICTS: readonly (readonly [OnConflict, string])[] = [
  ['report', 'leave it as it is, and say so'],
  ['new', 'add the file’s as a new object'],
  ['replace', 'replace it; its history stays'],
]

interface Props {
  readonly workspace: Workspace
  readonly run: ImportRun
  readonly formats: readonly Format[]
}

/** Which file, and how it is read. */
export function ImportForm({ workspace, run, formats }: Props): JSX.Element {
  const readable = formats.filter(({ reads }) => reads)
  return (
    <>
      <FileField file={run.file.value} onFile={(file) => run.choose(file)} />
      <div class="form-grid">
        <Choice
          label="Format"
          value={run.format.value}
          onChange={(value) => {
            run.format.value = value
          }}
          options={[['', 'told by the content'], ...readable.map(({ name, title }) => [name, title] as const)]}
        />
        <TextField
          label="Layer"
          hint="made when it is not there"
          list="import-layers"
          placeholder={workspace.session.user}
          value={run.layer.value}
          onInput={(value) => {
            run.layer.value = value
          }}
        />
        <datalist id="import-layers">
          {workspace.layers.value.map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <Choice
          label="If an id is there with other content"
          value={run.onConflict.value}
          onChange={(value) => {
            run.onConflict.value = value as OnConflict
          }}
          options={CONFLICTS}
        />
      </div>
      <FrameFields frame={run.frame} />
      <label class="form-check">
        <input
          type="checkbox"
          checked={run.force.value}
          onChange={(event) => {
            run.force.value = event.currentTarget.checked
          }}
        />
        Keep repairs that change an outline’s area by more than 1 %
      </label>
    </>
  )
}
