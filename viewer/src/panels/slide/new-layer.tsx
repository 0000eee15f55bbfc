import { useSignal } from '@preact/signals'
import type { JSX, TargetedSubmitEvent } from 'preact'
import type { LayerKind } from '../../model/annotation-class'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'

const KINDS: readonly LayerKind[] = ['author', 'task', 'model', 'imported']

/** Make a layer and draw into it. */
export function NewLayer({ workspace }: { workspace: Workspace }): JSX.Element {
  const [name, kind] = [useSignal(''), useSignal<LayerKind>('author')]
  const add = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    if (name.peek().trim() === '') return
    if (await workspace.layerDesk.make(name.peek().trim(), kind.peek())) name.value = ''
  }
  return (
    <form class="new-class" onSubmit={(event) => void add(event)}>
      <input
        placeholder="New layer…"
        aria-label="Name of a new layer"
        autocomplete="off"
        maxLength={200}
        value={name.value}
        onInput={(event) => {
          name.value = event.currentTarget.value
        }}
      />
      <select
        aria-label="Kind of the new layer"
        value={kind.value}
        onChange={(event) => {
          kind.value = event.currentTarget.value as LayerKind
        }}
      >
        {KINDS.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
      <button type="submit" class="icon-button" aria-label="Add layer" title="Add layer">
        <Icon name="plus" size={14} />
      </button>
    </form>
  )
}
