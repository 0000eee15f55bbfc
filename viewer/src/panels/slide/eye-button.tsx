import type { JSX } from 'preact'
import { Icon } from '../icons'

interface Props {
  readonly shown: boolean
  /** What is shown or hidden, such as "class Tumour". */
  readonly what: string
  readonly onToggle: () => void
}

/** Shows or hides something on the slide. */
export function EyeButton({ shown, what, onToggle }: Props): JSX.Element {
  return (
    <button
      type="button"
      class="eye-button"
      role="switch"
      aria-checked={shown}
      aria-label={`Show ${what}`}
      title={shown ? `Hide ${what}` : `Show ${what}`}
      onClick={onToggle}
    >
      <Icon name={shown ? 'eye' : 'eye-off'} size={15} />
    </button>
  )
}
