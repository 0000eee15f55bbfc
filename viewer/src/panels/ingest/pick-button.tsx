import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { ChosenFile } from '../../model/scan-files'
import { pickedFiles } from '../../store/dropped'

interface Picker {
  readonly label: string
  /** What a screen reader says, when the label alone is not enough. */
  readonly name?: string
  readonly look: string
  readonly folders?: boolean
  readonly testId: string
  readonly onFiles: (files: Promise<ChosenFile[]>) => void
}

/** A button that opens the system's chooser: the input itself cannot be styled. */
export function PickButton({ label, name, look, folders = false, testId, onFiles }: Picker): JSX.Element {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <button type="button" class={`button ${look}`} aria-label={name ?? label} onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={(element) => {
          input.current = element
          if (element && folders) element.webkitdirectory = true
        }}
        type="file"
        multiple
        hidden
        aria-label={name ?? label}
        data-testid={testId}
        onChange={(event) => {
          onFiles(Promise.resolve(pickedFiles(event.currentTarget)))
          event.currentTarget.value = ''
        }}
      />
    </>
  )
}
