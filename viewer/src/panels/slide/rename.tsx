import { useSignal } from '@preact/signals'
import type { JSX, TargetedSubmitEvent } from 'preact'
import type { Workspace } from '../../store/workspace'

/** The slide's name as a field that those who may can change. */
export function Rename({ workspace }: { workspace: Workspace }): JSX.Element {
  const { name } = workspace.slide.value
  const draft = useSignal(name)
  const failure = useSignal('')
  const save = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    failure.value = ''
    try {
      await workspace.rename(draft.value.trim())
    } catch (error) {
      failure.value = error instanceof Error ? error.message : 'The name could not be changed.'
    }
  }
  return (
    <form class="rename" onSubmit={(event) => void save(event)}>
      <input
        aria-label="Name of the slide"
        required
        value={draft.value}
        onInput={(event) => {
          draft.value = event.currentTarget.value
        }}
      />
      <button type="submit" class="button" disabled={draft.value.trim() === '' || draft.value.trim() === name}>
        Rename
      </button>
      {failure.value !== '' && (
        <p class="note note-bad" role="alert">
          {failure.value}
        </p>
      )}
    </form>
  )
}
