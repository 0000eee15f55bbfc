import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { formatCount } from '../../model/format'
import { type IdentityReport, identitySummary } from '../../model/job'
import { Icon } from '../icons'

/** The first digits of the checksum; pressing copies all of them. */
export function Checksum({ hash }: { hash: string }): JSX.Element {
  const said = useSignal('')
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(hash)
      said.value = 'copied'
    } catch {
      // Without a secure address browsers copy nothing: show all of it, to be copied by hand.
      said.value = hash
    }
  }
  return (
    <span class="checksum">
      <button
        type="button"
        class="checksum-copy"
        data-testid="job-hash"
        title={`SHA-256 ${hash}`}
        aria-label={`Copy the checksum, SHA-256 ${hash.slice(0, 12)}`}
        onClick={() => void copy()}
      >
        SHA-256 <code>{hash.slice(0, 12)}…</code>
        <Icon name="copy" size={13} />
      </button>
      <span role="status" class="work-hash">
        {said.value}
      </span>
    </span>
  )
}

/** What was dropped, by kind; where it stood on demand. */
export function Identity({ report }: { report: IdentityReport }): JSX.Element {
  return (
    <details class="identity" data-testid="job-identity">
      <summary>Identity: {identitySummary(report)}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys */}
      <section class="table-scroll" aria-label="What was dropped" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Place</th>
              <th scope="col">Field</th>
              <th scope="col">Kind</th>
              <th scope="col" class="num">
                Count
              </th>
            </tr>
          </thead>
          <tbody>
            {report.dropped.map(({ place, field, kind, count }) => (
              <tr key={`${place}\n${field}\n${kind}`}>
                <td>{place}</td>
                <td>{field ?? 'the scan’s own words'}</td>
                <td class="identity-kind">{kind}</td>
                <td class="num">{formatCount(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {report.incomplete.length > 0 && <p class="note-warn">Not searched to the end: {report.incomplete.join(', ')}</p>}
    </details>
  )
}
