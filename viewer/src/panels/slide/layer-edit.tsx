import { useSignal } from '@preact/signals'
import type { JSX, TargetedKeyboardEvent, TargetedSubmitEvent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { plural } from '../../model/format'
import type { Workspace } from '../../store/workspace'

interface Props {
  readonly workspace: Workspace
  readonly name: string
  readonly count: number
  readonly onDone: () => void
}

/** Rename a layer, or delete it after having been asked. */
export function LayerEdit({ workspace, name, count, onDone }: Props): JSX.Element {
  const { layerDesk } = workspace
  const [draft, asking] = [useSignal(name), useSignal(false)]
  const [field, keep] = [useRef<HTMLInputElement>(null), useRef<HTMLButtonElement>(null)]
  useEffect(() => field.current?.select(), [])
  // The button that was pressed is not there any more.
  useEffect(() => keep.current?.focus(), [asking.value])
  const rename = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    if (await layerDesk.rename(name, draft.peek().trim())) onDone()
  }
  const leave = (event: TargetedKeyboardEvent<HTMLFormElement>): void => {
    if (event.key !== 'Escape') return
    event.stopPropagation()
    onDone()
  }
  const unchanged = draft.value.trim() === '' || draft.value.trim() === name
  return (
    <form class="layer-edit" onSubmit={(event) => void rename(event)} onKeyDown={leave}>
      <input
        ref={field}
        aria-label={`New name of ${name}`}
        maxLength={200}
        value={draft.value}
        onInput={(event) => {
          draft.value = event.currentTarget.value
        }}
      />
      <button type="submit" class="button" disabled={unchanged}>
        Rename
      </button>
      {asking.value ? (
        <p class="layer-ask" role="alert">
          <span>
            Delete “{name}” with its {plural(count, 'object')}?
          </span>
          <button type="button" class="button button-bad" onClick={() => void layerDesk.remove(name)}>
            Delete
          </button>
          <button ref={keep} type="button" class="button" onClick={onDone}>
            Keep
          </button>
        </p>
      ) : (
        <button
          type="button"
          class="button"
          onClick={() => {
            asking.value = true
          }}
        >
          Delete…
        </button>
      )}
    </form>
  )
}
