import type { JSX } from 'preact'

/** Names and values in two columns; rows without a value are left out. */
export function Facts({ rows }: { rows: readonly (readonly [string, string | null | undefined])[] }): JSX.Element {
  return (
    <dl class="facts">
      {rows.map(([name, value]) =>
        value ? (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ) : null,
      )}
    </dl>
  )
}
