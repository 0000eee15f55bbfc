import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { LayerInfo } from '../../model/annotation-class'
import { formatCount } from '../../model/format'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'
import { LayerEdit } from './layer-edit'

interface Props {
  readonly workspace: Workspace
  readonly layer: LayerInfo
}

/** One layer: whether it is shown, whose and of what kind it is, how many objects it has, and whether one draws there. */
export function LayerRow({ workspace, layer }: Props): JSX.Element {
  const { interaction, layerDesk, targetLayer, counts, session } = workspace
  const { name, author, kind, annotations } = layer
  const [editing, opener] = [useSignal(false), useRef<HTMLButtonElement>(null)]
  useEffect(() => {
    if (layerDesk.takeRenamed(name) && document.activeElement === document.body) opener.current?.focus()
  }, [])
  const shown = !interaction.hiddenLayers.value.has(name)
  // The reader's own layer is where things go that are told to go nowhere else.
  const target = (targetLayer.value ?? session.user) === name
  const count = counts.state.value === 'ready' ? counts.ofLayer(name) : annotations
  const notes = [kind === 'author' ? null : kind, author === name ? null : author].filter(Boolean)
  const whose = author === name ? '' : ` by ${author}`
  return (
    <li>
      <div class="row-line">
        <button
          type="button"
          class={shown ? 'row' : 'row row-off'}
          role="switch"
          aria-checked={shown}
          data-testid="layer-row"
          data-layer={name}
          title={`${name}${whose}: ${shown ? 'hide' : 'show'}`}
          onClick={() => interaction.toggleLayer(name)}
        >
          <Icon name={shown ? 'eye' : 'eye-off'} size={15} />
          <span class="layer-name">
            <span class="clip">{name}</span>
            {notes.length > 0 && <span class="quiet clip">{notes.join(' · ')}</span>}
          </span>
          <span class="count">{formatCount(count)}</span>
        </button>
        {workspace.canAnnotate && (
          <>
            <button
              type="button"
              class="icon-button"
              aria-pressed={target}
              aria-label={`Draw into ${name}`}
              title={target ? `New objects go to ${name}` : `Draw into ${name}`}
              data-testid="draw-into"
              onClick={() => layerDesk.drawInto(target || name === session.user ? null : name)}
            >
              <Icon name="pen" size={14} />
            </button>
            <button
              type="button"
              class="icon-button"
              ref={opener}
              aria-expanded={editing.value}
              aria-label={`Rename or delete ${name}`}
              title="Rename or delete"
              data-testid="edit-layer"
              onClick={() => {
                editing.value = !editing.value
              }}
            >
              <Icon name="more" size={14} />
            </button>
          </>
        )}
      </div>
      {editing.value && (
        <LayerEdit
          workspace={workspace}
          name={name}
          count={count}
          onDone={() => {
            editing.value = false
            opener.current?.focus()
          }}
        />
      )}
    </li>
  )
}
