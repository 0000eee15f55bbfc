import type { JSX } from 'preact'

interface ChoiceProps {
  readonly label: string
  readonly value: string
  readonly options: readonly (readonly [value: string, label: string])[]
  readonly onChange: (value: string) => void
}

/** A labelled list to choose one of. */
export function Choice({ label, value, options, onChange }: ChoiceProps): JSX.Element {
  return (
    <label class="form-field">
      <span>{label}</span>
      <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([each, said]) => (
          <option key={each} value={each}>
            {said}
          </option>
        ))}
      </select>
    </label>
  )
}

interface TextProps {
  readonly label: string
  readonly hint?: string
  readonly placeholder?: string
  readonly value: string
  /** Id of a list of suggestions. */
  readonly list?: string
  readonly onInput: (value: string) => void
}

/** A labelled line of text, with a word on what belongs there. */
export function TextField({ label, hint, placeholder, value, list, onInput }: TextProps): JSX.Element {
  return (
    <label class="form-field">
      <span>
        {label}
        {hint && <small> {hint}</small>}
      </span>
      <input
        type="text"
        aria-label={hint ? `${label}, ${hint}` : label}
        value={value}
        {...(placeholder ? { placeholder } : {})}
        {...(list ? { list } : {})}
        spellcheck={false}
        autocomplete="off"
        maxLength={300}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  )
}
