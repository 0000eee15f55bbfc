import type { JSX } from 'preact'
import { useEffect, useMemo } from 'preact/hooks'
import { plural } from '../../model/format'
import { ClassDraft } from '../../store/class-draft'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'
import { Dialog } from '../slide/dialog'
import { ClassFields } from './class-fields'
import { SchemaConflictNote } from './schema-conflict'
import '../../style/exchange.css'

interface Props {
  readonly workspace: Workspace
  readonly onClose: () => void
}

function Buttons({ draft, onSave }: { draft: ClassDraft; onSave: () => void }): JSX.Element {
  const count = draft.changed.value.length
  const blocked = count === 0 || draft.faults.value.size > 0 || draft.theirs.value !== null
  const saved = draft.state.value === 'saved'
  return (
    <div class="dialog-buttons">
      <span class="dialog-said" role="status">
        {saved && 'Saved.'}
        {!saved && count > 0 && `${plural(count, 'class').replace('classs', 'classes')} changed`}
      </span>
      <button type="button" class="button" onClick={() => draft.add()}>
        <Icon name="plus" size={14} /> New class
      </button>
      <button
        type="button"
        class="button button-primary"
        disabled={blocked || draft.state.value === 'saving'}
        data-testid="save-classes"
        onClick={onSave}
      >
        {draft.state.value === 'saving' ? 'Saving…' : 'Save'}
      </button>
    </div>
  )
}

/** The classes of the project: colours, hotkeys, priorities and codes. */
export function ClassEditor({ workspace, onClose }: Props): JSX.Element {
  const project = workspace.slide.peek().project ?? ''
  const draft = useMemo(() => new ClassDraft(project), [project])
  useEffect(() => void draft.load(), [draft])
  const save = async (): Promise<void> => {
    if (await draft.save()) await workspace.reload()
  }
  return (
    <Dialog title={`Classes of ${project}`} onClose={onClose}>
      <div class="exchange" data-testid="class-editor">
        <p class="quiet">
          All slides of the project have these classes. The keys 1 to 9 choose a class; where annotations overlap in a
          mask, the class of the highest priority wins. A code says what a class means to other programs.
        </p>
        {draft.state.value === 'loading' && <p class="note">Loading…</p>}
        {draft.problem.value !== '' && (
          <p class="note note-bad" role="alert">
            {draft.problem.value}
          </p>
        )}
        <SchemaConflictNote draft={draft} />
        <ul class="class-rows">
          {draft.rows.value.map((row) => (
            <ClassFields key={row.key} row={row} draft={draft} />
          ))}
        </ul>
        <Buttons draft={draft} onSave={() => void save()} />
      </div>
    </Dialog>
  )
}
