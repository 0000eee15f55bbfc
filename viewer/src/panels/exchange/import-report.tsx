import type { JSX } from 'preact'
import { assumedText, betterFit, frameText, type ImportReport } from '../../model/exchange'
import { formatCount, plural } from '../../model/format'
import { IssueList, LossList } from './issue-list'

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** That the file's coordinates seem to be in another frame. */
function FitNote({ report }: { report: ImportReport }): JSX.Element | null {
  const better = betterFit(report)
  if (!better) return null
  const now = report.fit.find(({ origin, unit }) => origin === report.frame.origin && unit === report.frame.unit)
  return (
    <p class="note note-warn">
      Only {percent(now?.on_slide ?? 0)} of its vertices lie on the slide. Read as {frameText(better)} it would be{' '}
      {percent(better.on_slide)}: see <i>Advanced</i>.
    </p>
  )
}

function Figure({ label, count, tone = '' }: { label: string; count: number; tone?: string }): JSX.Element | null {
  if (count === 0 && label !== 'created') return null
  return (
    <div class={tone}>
      <dt>{label}</dt>
      <dd>{formatCount(count)}</dd>
    </div>
  )
}

/** What an import did, feature by feature where something was not as the file has it. */
export function Report({ report, title }: { report: ImportReport; title: string }): JSX.Element {
  const assumed = assumedText(report, title)
  const nothing = report.read > 0 && report.refused_count === report.read
  // What was refused because of its id stands in the list of refusals.
  const conflicts = report.refused.some(({ code }) => code === 'conflict') ? 0 : report.conflicts_count
  return (
    <div class="report" data-testid="import-report">
      <p>
        {title || report.format}: {plural(report.read, 'feature')} read
        {nothing ? '; none of them came in.' : ` into the layer “${report.layer}”.`}
      </p>
      <dl class="report-numbers">
        <Figure label="created" count={report.created} tone="good" />
        <Figure label="there already" count={report.there_already} />
        <Figure label="replaced" count={report.replaced} />
        <Figure label="repaired" count={report.repaired_count} tone="warn" />
        <Figure label="conflicts" count={conflicts} tone="bad" />
        <Figure label="refused" count={report.refused_count} tone="bad" />
      </dl>
      {assumed !== '' && <p class="quiet">{assumed}</p>}
      <FitNote report={report} />
      {report.outside_slide > 0 && (
        <p class="note note-warn">{plural(report.outside_slide, 'feature')} outside of the slide, at least in part.</p>
      )}
      {report.made_ids > 0 && (
        <p class="quiet">{plural(report.made_ids, 'feature')} without an id: one was made from the content.</p>
      )}
      <IssueList title="Refused" issues={report.refused} count={report.refused_count} open />
      <IssueList title="Conflicts" issues={report.conflicts} count={conflicts} open />
      <IssueList title="Repaired" issues={report.repaired} count={report.repaired_count} />
      {report.losses.length > 0 && (
        <>
          <h3>Not as the file has it</h3>
          <LossList losses={report.losses} />
        </>
      )}
    </div>
  )
}
