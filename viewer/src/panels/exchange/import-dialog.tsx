import type { JSX } from 'preact'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { problemText } from '../../model/exchange'
import { formatBytes, formatCount } from '../../model/format'
import { placeOfImport } from '../../store/import-place'
import { ImportRun } from '../../store/import-run'
import type { Workspace } from '../../store/workspace'
import { Progress } from '../progress'
import { Dialog } from '../slide/dialog'
import { useFormats } from './formats'
import { ImportForm } from './import-form'
import { Report } from './import-report'
import '../../style/exchange.css'

interface Props {
  readonly workspace: Workspace
  readonly onClose: () => void
}

const PHASES: Readonly<Record<string, string>> = {
  sending: 'Sending the file',
  reading: 'Reading',
  writing: 'Writing',
  publishing: 'Publishing',
}

function Running({ run }: { run: ImportRun }): JSX.Element {
  const { phase, done, total } = run.progress.value
  const said = PHASES[phase] ?? phase
  const amount = phase === 'sending' ? formatBytes(done) : formatCount(done)
  const of = total === null ? '' : ` of ${phase === 'sending' ? formatBytes(total) : formatCount(total)}`
  return (
    <div class="running" data-testid="import-progress">
      <p role="status">
        {said} · {amount}
        {of}
      </p>
      <Progress label={said} share={run.share.value} />
      <p class="quiet">It becomes one revision, or none of it: until it is done nothing of it is on the slide.</p>
      <div class="dialog-buttons">
        <button type="button" class="button" data-next onClick={() => run.cancel()}>
          Cancel
        </button>
      </div>
    </div>
  )
}

/** Import a file of annotations: choose, follow, read the report. */
export function ImportDialog({ workspace, onClose }: Props): JSX.Element {
  const run = useMemo(() => new ImportRun(workspace.slide.peek().id), [workspace])
  const formats = useFormats()
  const body = useRef<HTMLDivElement>(null)
  const leave = (): void => {
    if (run.state.peek() === 'running') {
      workspace.editor.notice.value = 'The import was stopped: nothing of the file has come in.'
    }
    run.cancel()
    onClose()
  }
  useEffect(() => () => run.cancel(), [run])
  const report = run.report.value
  const state = run.state.value
  const title = formats.value.find(({ name }) => name === report?.format)?.title ?? ''
  const start = async (): Promise<void> => {
    await run.start()
    const done = run.report.peek()
    if (!done || run.state.peek() !== 'done') return
    workspace.live.begin(done.revision)
    workspace.queue.told(done.revision)
  }
  const show = async (): Promise<void> => {
    const box = report && (await placeOfImport(workspace, report))
    if (!box) return
    onClose()
    workspace.view.jumpTo(box)
  }
  // Each step takes the button away that led to it: the focus goes on to what can be done, or read, now.
  const shown = useRef(state)
  useEffect(() => {
    if (shown.current === state) return
    shown.current = state
    body.current?.querySelector<HTMLElement>('[data-next]')?.focus()
  }, [state])
  useEffect(() => {
    if (state !== 'running') return
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault()
    window.addEventListener('beforeunload', ask)
    return () => window.removeEventListener('beforeunload', ask)
  }, [state])
  return (
    <Dialog title="Import annotations" onClose={leave}>
      <div class="exchange" data-testid="import-dialog" ref={body}>
        {(state === 'choosing' || (state === 'failed' && !report)) && (
          <ImportForm workspace={workspace} run={run} formats={formats.value} />
        )}
        {state === 'running' && <Running run={run} />}
        {run.problem.value !== '' && (
          <p class="note note-bad" role="alert" data-testid="import-problem">
            {problemText(run.problem.value)}
          </p>
        )}
        {report && (
          <Report
            report={report}
            title={title}
            onAgain={(choice) => {
              run.onConflict.value = choice
              void start()
            }}
          />
        )}
        {(state === 'choosing' || (state === 'failed' && !report)) && (
          <div class="dialog-buttons">
            <button
              type="button"
              class="button button-primary"
              data-testid="start-import"
              data-next
              disabled={run.file.value === null}
              onClick={() => void start()}
            >
              Import
            </button>
          </div>
        )}
        {report && (
          <div class="dialog-buttons">
            <button type="button" class="button" onClick={() => run.again()}>
              {state === 'failed' ? 'Change how it is read' : 'Import another file'}
            </button>
            {state === 'done' && (
              <button type="button" class="button button-primary" data-testid="show-import" onClick={() => void show()}>
                Show
              </button>
            )}
          </div>
        )}
      </div>
    </Dialog>
  )
}
