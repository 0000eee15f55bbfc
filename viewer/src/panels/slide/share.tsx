import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'

/** Copy text; where the clipboard is closed to the page (no secure context), the older way. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = document.createElement('textarea')
    field.value = text
    field.style.position = 'fixed'
    document.body.append(field)
    field.select()
    const done = document.execCommand('copy')
    field.remove()
    return done
  }
}

export function ShareButton({ beforeCopy }: { beforeCopy: () => void }): JSX.Element {
  const label = useSignal('Share view')
  const share = async (): Promise<void> => {
    beforeCopy()
    label.value = (await copy(location.href)) ? 'Link copied' : 'Copy the address bar'
    setTimeout(() => {
      label.value = 'Share view'
    }, 2000)
  }
  return (
    <button
      type="button"
      class="pill pill-button share"
      title="Copy the address of just this view"
      aria-live="polite"
      onClick={() => void share()}
    >
      {label.value}
    </button>
  )
}
