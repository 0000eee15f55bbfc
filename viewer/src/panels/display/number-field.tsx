import type { JSX } from 'preact'

interface Props {
  /** What is written beside it, and what it is of. */
  readonly label: string
  readonly of: string
  readonly value: number
  readonly step: number
  readonly min?: number
  readonly max?: number
  readonly change: (value: number) => void
}

/** A number that counts when it is complete; what is none, or out of bounds, is put back. */
export function NumberField({ label, of, value, step, min, max, change }: Props): JSX.Element {
  const text = String(Number(value.toPrecision(6)))
  return (
    <label class="number-field">
      <span>
        {label}
        <span class="visually-hidden"> of {of}</span>
      </span>
      <input
        type="number"
        inputMode="decimal"
        value={text}
        step={step}
        {...(min === undefined ? {} : { min })}
        {...(max === undefined ? {} : { max })}
        onChange={(event) => {
          const field = event.currentTarget
          if (Number.isFinite(field.valueAsNumber) && !field.validity.rangeOverflow && !field.validity.rangeUnderflow)
            change(field.valueAsNumber)
          else field.value = text
        }}
      />
    </label>
  )
}
