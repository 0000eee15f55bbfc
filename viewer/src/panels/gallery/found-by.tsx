import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { KIND_LABELS, type Original } from '../../model/originals'
import { Icon } from '../icons'

/** That a slide was found by an original name, which is shown only on demand: people look over shoulders. */
export function FoundBy({ originals, slide }: { originals: readonly Original[]; slide: string }): JSX.Element {
  const open = useSignal(false)
  const id = useId()
  return (
    <div class="found-by" data-testid="found-by">
      <button
        type="button"
        aria-expanded={open.value}
        aria-controls={id}
        onClick={() => {
          open.value = !open.value
        }}
      >
        <Icon name={open.value ? 'eye-off' : 'eye'} size={14} />
        found by original name
        <span class="visually-hidden">
          : {open.value ? 'hide' : 'show'} it for {slide}
        </span>
      </button>
      <dl id={id} hidden={!open.value}>
        {open.value &&
          originals.map(({ kind, original }) => (
            <div key={kind}>
              <dt>{KIND_LABELS[kind]}</dt>
              <dd>{original}</dd>
            </div>
          ))}
      </dl>
    </div>
  )
}
