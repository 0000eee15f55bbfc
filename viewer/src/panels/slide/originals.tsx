import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { getSlideOriginals } from '../../api/originals'
import { KIND_LABELS, type SlideOriginals } from '../../model/originals'
import type { Workspace } from '../../store/workspace'
import { Facts } from './facts-list'

/** What staff call the slide, its case and its patient; asked for only on demand, and forgotten when it is hidden. */
export function Originals({ workspace }: { workspace: Workspace }): JSX.Element {
  const open = useSignal(false)
  const originals = useSignal<SlideOriginals | null>(null)
  const said = useSignal('')
  useEffect(() => {
    if (!open.value) return
    const abort = new AbortController()
    said.value = 'Loading the originals…'
    getSlideOriginals(workspace.slide.peek().id, abort.signal).then(
      (loaded) => {
        if (abort.signal.aborted) return
        originals.value = loaded
        said.value = Object.values(loaded).some(Boolean) ? '' : 'No originals are kept for this slide.'
      },
      () => {
        if (!abort.signal.aborted) said.value = 'The originals cannot be loaded now.'
      },
    )
    return () => {
      abort.abort()
      originals.value = null
    }
  }, [open.value, workspace])
  const shown = originals.value
  return (
    <section class="panel-section" aria-labelledby="originals-heading" data-testid="originals">
      <h2 id="originals-heading">Original names</h2>
      <div class="originals">
        <button
          type="button"
          class="button"
          aria-expanded={open.value}
          onClick={() => {
            open.value = !open.value
          }}
        >
          {open.value ? 'Hide originals' : 'Show originals'}
        </button>
        {open.value && said.value !== '' && (
          <p class="quiet" role="status">
            {said.value}
          </p>
        )}
      </div>
      {open.value && shown && (
        <Facts
          rows={[
            [KIND_LABELS.patient, shown.patient],
            [KIND_LABELS.case, shown.case],
            [KIND_LABELS.slide, shown.slide],
          ]}
        />
      )}
    </section>
  )
}
