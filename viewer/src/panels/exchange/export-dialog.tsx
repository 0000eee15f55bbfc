import type { JSX } from 'preact'
import { useEffect, useMemo } from 'preact/hooks'
import { problemText } from '../../model/exchange'
import { formatCount, plural } from '../../model/format'
import { formatNote } from '../../model/format-notes'
import { ExportChoice } from '../../store/export-choice'
import type { Workspace } from '../../store/workspace'
import { Progress } from '../progress'
import { Dialog } from '../slide/dialog'
import { ExportForm } from './export-form'
import { useFormats } from './formats'
import { LossList } from './issue-list'
import '../../style/exchange.css'

interface Props {
  readonly workspace: Workspace
  readonly onClose: () => void
}

/** What the file would hold and lose. */
function Losses({ choice }: { choice: ExportChoice }): JSX.Element | null {
  const report = choice.report.value
  if (!report) return null
  return (
    <div class="report" role="status" data-testid="export-report">
      <p>
        {plural(report.written, 'annotation')} of revision {formatCount(report.revision)}.{' '}
        {report.losses.length === 0 && 'Nothing would be lost.'}
      </p>
      <LossList losses={report.losses} />
    </div>
  )
}

/** Give an address to the browser to download, as a press on a link does. */
function download(address: string): void {
  const link = document.createElement('a')
  link.href = address
  link.download = ''
  link.click()
}

/** Export annotations as a file: which ones, as what, and what that loses. */
export function ExportDialog({ workspace, onClose }: Props): JSX.Element {
  const choice = useMemo(
    () => new ExportChoice(workspace.slide.peek().id, () => workspace.table.narrowing()),
    [workspace],
  )
  const formats = useFormats()
  // Whoever leaves does not want to know any more.
  useEffect(() => () => choice.touched(), [choice])
  const busy = choice.busy.value
  const save = async (): Promise<void> => {
    const address = await choice.address()
    if (address !== null) download(address)
  }
  return (
    <Dialog title="Export annotations" onClose={onClose}>
      <div class="exchange" data-testid="export-dialog">
        <ExportForm workspace={workspace} choice={choice} formats={formats.value} />
        <p class="format-note">{formatNote(choice.format.value)}</p>
        {choice.problem.value !== '' && (
          <p class="note note-bad" role="alert" data-testid="export-problem">
            {problemText(choice.problem.value)}
          </p>
        )}
        {busy === 'looking' && <Progress label="Looking through the objects" share={null} />}
        <Losses choice={choice} />
        <div class="dialog-buttons">
          <button
            type="button"
            class="button"
            disabled={busy !== ''}
            data-testid="look-export"
            onClick={() => void choice.look()}
          >
            {busy === 'looking' ? 'Looking…' : 'What would be lost?'}
          </button>
          <button
            type="button"
            class="button button-primary"
            disabled={busy !== ''}
            data-testid="start-export"
            onClick={() => void save()}
          >
            {busy === 'checking' ? 'Beginning…' : 'Download'}
          </button>
        </div>
      </div>
    </Dialog>
  )
}
