import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { annotationHistory } from '../../api/annotations'
import { formatCount, formatMoment, formatTime } from '../../model/format'
import type { Feature } from '../../model/geojson'
import { type HistoryStep, historySteps } from '../../model/history'
import type { Workspace } from '../../store/workspace'

/** How objects of a kind of layer come about. */
const BEGUN: Readonly<Record<string, string>> = { imported: 'imported', model: 'made by a model' }

interface Props {
  readonly workspace: Workspace
  readonly feature: Feature
}

/** Every version of the selected object, the newest first; an earlier one can be made the current one again. */
export function History({ workspace, feature }: Props): JSX.Element {
  const { id } = feature
  const open = useSignal(false)
  const steps = useSignal<readonly HistoryStep[] | null>(null)
  const failed = useSignal(false)
  const { queue, live } = workspace
  const isSaving = queue.pending.value.has(id)
  const edition = live.edition.value
  useEffect(() => {
    let over = false
    if (open.value && !isSaving) {
      annotationHistory(id).then(
        (versions) => {
          if (over) return
          const layer = workspace.layers.peek().find(({ name }) => name === feature.properties.layer)
          steps.value = historySteps(versions, BEGUN[layer?.kind ?? 'author'])
          failed.value = false
        },
        () => {
          if (!over) failed.value = true
        },
      )
    }
    return () => {
      over = true
    }
  }, [id, open.value, isSaving, edition])

  const line = (step: HistoryStep, at: number): JSX.Element => (
    <li key={step.revision} data-testid="version" data-revision={step.revision}>
      <b>{step.what}</b>
      <span class="quiet" title={formatTime(step.at)}>
        rev {formatCount(step.revision)} · {step.author} · {formatMoment(step.at, new Date())}
      </span>
      {at > 0 && !step.isDeleted && workspace.mayEdit(feature) && (
        <button type="button" class="link" disabled={isSaving} onClick={() => workspace.restoreVersion(step.feature)}>
          Restore this version
        </button>
      )}
      {at === 0 && <span class="quiet">now</span>}
    </li>
  )
  return (
    <details
      class="history"
      data-testid="history"
      open={open.value}
      onToggle={(event) => {
        open.value = event.currentTarget.open
      }}
    >
      <summary>History</summary>
      <div aria-live="polite" aria-busy={isSaving}>
        {failed.value && (
          <p class="note note-bad">The history cannot be had: it is not saved yet, or the server cannot be reached.</p>
        )}
        {!failed.value && steps.value === null && <p class="note">Reading…</p>}
        {steps.value && <ol>{steps.value.map(line)}</ol>}
      </div>
    </details>
  )
}
