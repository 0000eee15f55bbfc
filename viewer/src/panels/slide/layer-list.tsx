import type { JSX } from 'preact'
import type { LayerInfo } from '../../model/annotation-class'
import { formatCount } from '../../model/format'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'

function LoadNote({ workspace }: { workspace: Workspace }): JSX.Element | null {
  if (workspace.counts.state.value !== 'failed') return null
  return (
    <p class="note note-bad" role="status">
      Annotations could not be loaded.{' '}
      <button type="button" class="link" onClick={() => void workspace.reload()}>
        Try again
      </button>
    </p>
  )
}

export function LayerList({ workspace }: { workspace: Workspace }): JSX.Element {
  const { layers, interaction } = workspace
  const row = ({ name, author, annotations }: LayerInfo): JSX.Element => {
    const shown = !interaction.hiddenLayers.value.has(name)
    return (
      <li key={`${name} ${author}`}>
        <button
          type="button"
          class={shown ? 'row' : 'row row-off'}
          role="switch"
          aria-checked={shown}
          data-testid="layer-row"
          title={`${name} by ${author}: ${shown ? 'hide' : 'show'}`}
          onClick={() => interaction.toggleLayer(name)}
        >
          <Icon name={shown ? 'eye' : 'eye-off'} size={15} />
          <span class="clip">{name}</span>
          {author !== name && <span class="quiet clip">{author}</span>}
          <span class="count">{formatCount(annotations)}</span>
        </button>
      </li>
    )
  }
  return (
    <section class="panel-section" aria-labelledby="layer-heading">
      <h2 id="layer-heading">
        Layers <span>Objects</span>
      </h2>
      {layers.value.length === 0 ? (
        <p class="note">No annotations yet.</p>
      ) : (
        <ul class="rows">{layers.value.map(row)}</ul>
      )}
      <LoadNote workspace={workspace} />
    </section>
  )
}
