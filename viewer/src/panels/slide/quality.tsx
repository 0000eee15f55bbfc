import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { formatShare, type Hint, hintLabel, hintsOf } from '../../model/quality'
import { tissueUrl } from '../../model/slide'
import type { Workspace } from '../../store/workspace'
import { HintBadge } from '../hint-badge'
import { Facts } from './facts-list'

/** One hint with its sentence, and a button for each place that it is about. */
function HintRow({ hint, workspace }: { hint: Hint; workspace: Workspace }): JSX.Element {
  const shown = workspace.view.mark.value
  return (
    <li class="hint" data-testid="hint-row" data-hint={hint.kind}>
      <HintBadge hint={{ ...hint, sentence: '' }} />
      <p>{hint.sentence}</p>
      {hint.boxes.length > 0 && (
        <fieldset class="hint-places" aria-label={`Places of ${hintLabel(hint.kind)}`}>
          <span class="quiet">Show</span>
          {hint.boxes.map((box, index) => (
            <button
              key={box.join()}
              type="button"
              class="button hint-place"
              aria-label={`Show place ${index + 1} of ${hintLabel(hint.kind)}`}
              aria-pressed={shown?.join() === box.join()}
              onClick={() => {
                if (workspace.view.mark.peek()?.join() === box.join()) workspace.view.mark.value = null
                else workspace.view.jumpTo(box)
              }}
            >
              {index + 1}
            </button>
          ))}
        </fieldset>
      )}
    </li>
  )
}

/** What the server has found about the slide's quality when it came in. */
export function QualitySection({ workspace }: { workspace: Workspace }): JSX.Element {
  const slide = workspace.slide.value
  const hints = hintsOf(slide)
  const tissueOpen = useSignal(false)
  // The frame belongs to this list: without it there would be no way to take it away.
  useEffect(
    () => () => {
      workspace.view.mark.value = null
    },
    [workspace],
  )
  const { quality } = slide
  return (
    <section class="panel-section" aria-labelledby="quality-heading" data-testid="quality">
      <h2 id="quality-heading">Quality</h2>
      {!quality && <p class="note">Not judged yet.</p>}
      {quality && hints.length === 0 && <p class="note">Nothing conspicuous was found.</p>}
      {hints.length > 0 && (
        <ul class="hints">
          {hints.map((hint) => (
            <HintRow key={hint.kind} hint={hint} workspace={workspace} />
          ))}
        </ul>
      )}
      {quality && typeof quality.tissue_share === 'number' && (
        <>
          <Facts rows={[['Tissue', `${formatShare(quality.tissue_share)} of the scanned area`]]} />
          <details
            class="tissue"
            onToggle={(event) => {
              tissueOpen.value = event.currentTarget.open
            }}
          >
            <summary>Where tissue was found</summary>
            {tissueOpen.value && <img src={tissueUrl(slide)} alt="Mask of the tissue: white is tissue" />}
          </details>
        </>
      )}
    </section>
  )
}
