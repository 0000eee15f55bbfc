import type { JSX } from 'preact'
import type { Issue, Loss } from '../../model/exchange'
import { formatCount } from '../../model/format'

/** So many are in the page; the server tells at most 1,000. */
const SHOWN = 200

interface Props {
  readonly title: string
  readonly issues: readonly Issue[]
  /** How many there are, listed or not. */
  readonly count: number
  readonly open?: boolean
}

/** What happened to single features of a file, by their place in it. */
export function IssueList({ title, issues, count, open = false }: Props): JSX.Element | null {
  if (count === 0) return null
  return (
    <details class="issues" open={open}>
      <summary>
        {title} <b>{formatCount(count)}</b>
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <ul tabIndex={0} aria-label={title}>
        {issues.slice(0, SHOWN).map(({ index, code, message }) => (
          <li key={`${index} ${code}`}>
            <span class="issue-place">feature {formatCount(index)}</span> {message} <code>{code}</code>
          </li>
        ))}
        {count > SHOWN && <li class="quiet">and {formatCount(count - Math.min(SHOWN, issues.length))} more</li>}
      </ul>
    </details>
  )
}

/** What a file or a format could not hold. */
export function LossList({ losses }: { losses: readonly Loss[] }): JSX.Element | null {
  if (losses.length === 0) return null
  return (
    <ul class="losses">
      {losses.map(({ code, message, count }) => (
        <li key={`${code} ${message}`}>
          <b>{formatCount(count)}×</b> {message} <code>{code}</code>
        </li>
      ))}
    </ul>
  )
}
