import type { JSX } from 'preact'
import type { ClassDraft } from '../../store/class-draft'

/** Somebody else was faster: nothing of theirs is written over, and nothing that was typed here is lost. */
export function SchemaConflictNote({ draft }: { draft: ClassDraft }): JSX.Element | null {
  const theirs = draft.theirs.value
  if (!theirs) return null
  const names = draft.theirNames()
  const what = names.length === 0 ? 'them' : names.map((name) => `“${name}”`).join(', ')
  return (
    <div class="schema-conflict" role="alert" data-testid="schema-conflict">
      <p>
        Somebody else has changed {what} since you opened this (version {theirs.version} now). Nothing of yours is saved
        yet.
      </p>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={() => draft.takeTheirs()}>
          Give up my changes
        </button>
        <button type="button" class="button button-primary" onClick={() => draft.keepMine()}>
          Go on from theirs, with my changes
        </button>
      </div>
    </div>
  )
}
