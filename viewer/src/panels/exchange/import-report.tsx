import type { JSX } from 'preact'
import { assumedText, betterFit, fitText, type ImportReport, thereText } from '../../model/exchange'
import { formatCount, plural } from '../../model/format'
import type { OnConflict } from '../../store/import-run'
import { IssueList, LossList } from './issue-list'

/** That the file's coordinates seem to be in another frame. */
function FitNote({ report }: { report: ImportReport }): JSX.Element | null {
  const better = betterFit(report)
  if (!better) return null
  return (
    <p class="note note-warn">
      {fitText(report, better)}: see <i>Advanced</i>.
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

interface Props {
  readonly report: ImportReport
  readonly title: string
  /** Read the file once more, with this for ids that are there with other content. */
  readonly onAgain: (choice: OnConflict) => void
}

/** That ids were taken, and what can be done about it. */
function TakenIds({
  report,
  taken,
  onAgain,
}: Pick<Props, 'report' | 'onAgain'> & { taken: number }): JSX.Element | null {
  if (taken === 0) return null
  // Where not all refusals are named nobody knows how many these are.
  const which = report.refused_count > report.refused.length ? 'Features' : plural(taken, 'feature')
  return (
    <div class="note note-warn taken-ids" data-testid="taken-ids">
      <p>
        {which} whose id is there with other content {which.startsWith('1 ') ? 'was' : 'were'} refused: what is there
        stays as it is.
      </p>
      <button type="button" class="button" onClick={() => onAgain('new')}>
        Bring in as new objects
      </button>
      <button type="button" class="button" onClick={() => onAgain('replace')}>
        Replace what is there
      </button>
    </div>
  )
}

/** What came of all features together. */
function outcomeText({ read, refused_count, created, replaced, layer }: ImportReport): string {
  if (read > 0 && refused_count === read) return '; none of them came in.'
  return created + replaced > 0 ? ` into the layer “${layer}”.` : '; nothing of it is new.'
}

/** What an import did, feature by feature where something was not as the file has it. */
export function Report({ report, title, onAgain }: Props): JSX.Element {
  const assumed = assumedText(report, title)
  const there = thereText(report)
  // What was refused because of its id stands in the list of refusals.
  const taken = report.refused.filter(({ code }) => code === 'conflict')
  const conflicts = taken.length > 0 ? 0 : report.conflicts_count
  return (
    // It takes the focus when it comes, so that it is read out.
    <section class="report" data-testid="import-report" data-next tabIndex={-1} aria-label="What came of the import">
      <p>
        {title || report.format}: {plural(report.read, 'feature')} read
        {outcomeText(report)}
      </p>
      <dl class="report-numbers">
        <Figure label="created" count={report.created} tone="good" />
        <Figure label="there already" count={report.there_already} />
        <Figure label="replaced" count={report.replaced} />
        <Figure label="repaired" count={report.repaired_count} tone="warn" />
        <Figure label="new ids" count={conflicts} tone="warn" />
        <Figure label="refused" count={report.refused_count} tone="bad" />
      </dl>
      {there !== '' && (
        <p class="quiet" data-testid="there-already">
          {there}
        </p>
      )}
      <TakenIds report={report} taken={taken.length} onAgain={onAgain} />
      {conflicts > 0 && (
        <p class="note note-warn">
          {plural(conflicts, 'feature')} had an id that is there with other content, and came in as new objects with ids
          of their own.
        </p>
      )}
      {assumed !== '' && <p class="quiet">{assumed}</p>}
      <FitNote report={report} />
      {report.outside_slide > 0 && (
        <p class="note note-warn">{plural(report.outside_slide, 'feature')} outside of the slide, at least in part.</p>
      )}
      {report.made_ids > 0 && (
        <p class="quiet">{plural(report.made_ids, 'feature')} without an id: one was made from the content.</p>
      )}
      <IssueList title="Refused" issues={report.refused} count={report.refused_count} open />
      <IssueList title="With ids of their own" issues={report.conflicts} count={conflicts} open />
      <IssueList title="Repaired" issues={report.repaired} count={report.repaired_count} />
      {report.losses.length > 0 && (
        <>
          <h3>Not as the file has it</h3>
          <LossList losses={report.losses} />
        </>
      )}
    </section>
  )
}
