import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { CodedTerm } from '../../model/annotation-class'
import type { Color } from '../../model/geojson'
import type { ClassDraft, DraftClass } from '../../store/class-draft'
import { Icon } from '../icons'

const NO_CODE: CodedTerm = { system: '', code: '', meaning: '' }

function hexOf(color: Color): string {
  return `#${color.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}

function colorOf(hex: string): Color {
  const part = (at: number): number => Number.parseInt(hex.slice(at, at + 2), 16)
  return [part(1), part(3), part(5)]
}

interface Props {
  readonly row: DraftClass
  readonly draft: ClassDraft
}

function CodeFields({ row, draft }: Props): JSX.Element {
  const label = row.name || 'the new class'
  const code = row.code ?? NO_CODE
  const field = (part: keyof CodedTerm, what: string, placeholder: string): JSX.Element => (
    <input
      aria-label={`${what} of ${label}`}
      class={`code-${part}`}
      placeholder={placeholder}
      maxLength={200}
      value={code[part]}
      onInput={(event) => {
        const now = { ...code, [part]: event.currentTarget.value }
        const isEmpty = Object.values(now).every((text) => text === '')
        draft.change(row.key, { code: isEmpty ? null : now })
      }}
    />
  )
  return (
    <>
      {field('system', 'Code system', 'SCT')}
      {field('code', 'Code', 'code')}
      {field('meaning', 'Meaning of the code', 'what the code means')}
    </>
  )
}

/** One class of the editor; a name that is in use stays as it is, for annotations name their class by it. */
export function ClassFields({ row, draft }: Props): JSX.Element {
  const { key, name, color, hotkey, priority, isNew } = row
  const label = name || 'the new class'
  const fault = draft.faults.value.get(key)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  return (
    <li class="class-fields" data-testid="class-fields" data-class={name}>
      <input
        type="color"
        aria-label={`Colour of ${label}`}
        value={hexOf(color)}
        onInput={(event) => draft.change(key, { color: colorOf(event.currentTarget.value) })}
      />
      {isNew ? (
        <input
          ref={field}
          class="class-name"
          aria-label="Name of the new class"
          placeholder="Name"
          maxLength={200}
          value={name}
          onInput={(event) => draft.change(key, { name: event.currentTarget.value })}
        />
      ) : (
        <span class="class-name clip">{name}</span>
      )}
      <label>
        <span>Key</span>
        <input
          class="class-key"
          aria-label={`Hotkey of ${label}`}
          maxLength={1}
          value={hotkey ?? ''}
          onInput={(event) => draft.change(key, { hotkey: event.currentTarget.value.trim() || null })}
        />
      </label>
      <label>
        <span>Priority</span>
        <input
          type="number"
          class="class-priority"
          aria-label={`Priority of ${label}`}
          step={1}
          value={priority}
          onInput={(event) => {
            const value = event.currentTarget.valueAsNumber
            if (Number.isInteger(value)) draft.change(key, { priority: value })
          }}
        />
      </label>
      <span class="class-code">
        <CodeFields row={row} draft={draft} />
      </span>
      {isNew && (
        <button type="button" class="icon-button" aria-label={`Leave out ${label}`} onClick={() => draft.drop(key)}>
          <Icon name="close" size={14} />
        </button>
      )}
      {fault && (
        <p class="note note-bad" role="alert">
          {fault}
        </p>
      )}
    </li>
  )
}
