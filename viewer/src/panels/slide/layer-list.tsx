import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Workspace } from '../../store/workspace'
import { Lazy } from '../lazy'
import { LayerRow } from './layer-row'
import { NewLayer } from './new-layer'

const loadImport = async () => (await import('../exchange/import-dialog')).ImportDialog
const loadExport = async () => (await import('../exchange/export-dialog')).ExportDialog

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

/** What went wrong with a layer, or that one was taken away and can be brought back. */
function DeskNote({ workspace }: { workspace: Workspace }): JSX.Element {
  const { problem, removed } = workspace.layerDesk
  const back = useRef<HTMLButtonElement>(null)
  // What had the focus has gone with the layer; a list that is shown again has lost nothing.
  const shown = useRef(removed.value)
  useEffect(() => {
    if (shown.current === removed.value) return
    shown.current = removed.value
    if (document.activeElement === document.body) back.current?.focus()
  }, [removed.value])
  return (
    <div aria-live="polite">
      {problem.value !== '' && <p class="note note-bad">{problem.value}</p>}
      {removed.value !== null && (
        <p class="note">
          “{removed.value}” is deleted.{' '}
          <button ref={back} type="button" class="link" onClick={() => void workspace.layerDesk.restore()}>
            Bring it back
          </button>
        </p>
      )}
    </div>
  )
}

/** How strongly all objects are drawn. */
function Opacity({ workspace }: { workspace: Workspace }): JSX.Element {
  const { opacity } = workspace.interaction
  return (
    <label class="opacity">
      Opacity
      <input
        type="range"
        min={0.1}
        max={1}
        step={0.05}
        value={opacity.value}
        onInput={(event) => {
          opacity.value = event.currentTarget.valueAsNumber
        }}
      />
    </label>
  )
}

export function LayerList({ workspace }: { workspace: Workspace }): JSX.Element {
  const open = useSignal<'none' | 'importing' | 'exporting'>('none')
  const close = (): void => {
    open.value = 'none'
  }
  const opener = (what: 'importing' | 'exporting', label: string, testId: string): JSX.Element => (
    <button
      type="button"
      class="button"
      data-testid={testId}
      onClick={() => {
        open.value = what
      }}
    >
      {label}
    </button>
  )
  const layers = workspace.layers.value
  return (
    <section class="panel-section" aria-labelledby="layer-heading" data-testid="layers">
      <div class="section-head">
        <h2 id="layer-heading">Layers</h2>
        <Opacity workspace={workspace} />
      </div>
      {layers.length === 0 ? (
        <p class="note">No annotations yet.</p>
      ) : (
        <ul class="rows">
          {layers.map((layer) => (
            <LayerRow key={layer.name} workspace={workspace} layer={layer} />
          ))}
        </ul>
      )}
      <DeskNote workspace={workspace} />
      {workspace.canAnnotate && <NewLayer workspace={workspace} />}
      <LoadNote workspace={workspace} />
      <div class="layer-actions">
        {workspace.canAnnotate && opener('importing', 'Import…', 'import-button')}
        {opener('exporting', 'Export…', 'export-button')}
      </div>
      {open.value === 'importing' && <Lazy load={loadImport} props={{ workspace, onClose: close }} />}
      {open.value === 'exporting' && <Lazy load={loadExport} props={{ workspace, onClose: close }} />}
    </section>
  )
}
