import { useSignal } from '@preact/signals'
import type { JSX, TargetedDragEvent } from 'preact'
import { useRef } from 'preact/hooks'
import { formatBytes } from '../../model/format'
import { Icon } from '../icons'

interface Props {
  readonly file: File | null
  readonly onFile: (file: File) => void
}

/** Where a file is dropped, and a button for those who do not drag. */
export function FileField({ file, onFile }: Props): JSX.Element {
  const [input, over] = [useRef<HTMLInputElement>(null), useSignal(false)]
  const drop = (event: TargetedDragEvent<HTMLDivElement>): void => {
    event.preventDefault()
    over.value = false
    const [first] = event.dataTransfer?.files ?? []
    if (first) onFile(first)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files can be dropped on it; the button does the same for keys
    <div
      class={over.value ? 'file-field file-over' : 'file-field'}
      data-testid="import-drop"
      onDragOver={(event) => {
        event.preventDefault()
        over.value = true
      }}
      onDragLeave={() => {
        over.value = false
      }}
      onDrop={drop}
    >
      <Icon name="upload" size={20} />
      <span class="clip">{file ? `${file.name} · ${formatBytes(file.size)}` : 'Drop a file of annotations here'}</span>
      <button type="button" class="button" onClick={() => input.current?.click()}>
        {file ? 'Another file…' : 'Choose a file…'}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label="File of annotations"
        data-testid="import-file"
        onChange={(event) => {
          const [first] = event.currentTarget.files ?? []
          if (first) onFile(first)
          event.currentTarget.value = ''
        }}
      />
    </div>
  )
}
