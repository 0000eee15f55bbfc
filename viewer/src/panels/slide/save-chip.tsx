import type { JSX } from 'preact'
import { formatCount } from '../../model/format'
import type { SaveQueue } from '../../store/queue'
import type { Workspace } from '../../store/workspace'

interface ChipText {
  readonly label: string
  readonly tone: string
  readonly title: string
}

function textOf(queue: SaveQueue): ChipText {
  const waiting = formatCount(queue.waiting.value)
  const kept = queue.durable.value ? 'kept on this computer until it is sent' : 'lost if this page is closed now'
  switch (queue.state.value) {
    case 'saved': {
      const revision = queue.revision.value
      const label = revision === null ? 'Saved' : `Saved · rev ${formatCount(revision)}`
      return { label, tone: 'pill-good', title: 'Everything is on the server.' }
    }
    case 'saving':
      return { label: 'Saving…', tone: '', title: `${waiting} to save; ${kept}.` }
    case 'offline':
      return {
        label: `Offline · ${waiting} to save`,
        tone: 'pill-warn',
        title: `${waiting} to save; ${kept}. Click to try now.`,
      }
    case 'conflict':
      return {
        label: 'Conflict',
        tone: 'pill-bad',
        title: 'Somebody else has changed what you have changed too. Click to settle it.',
      }
    case 'refused':
      return {
        label: `Not accepted · ${formatCount(queue.pending.value.size)}`,
        tone: 'pill-bad',
        title: 'Click to go to the object.',
      }
  }
}

/** Whether everything is on the server; a click does what would help. */
export function SaveChip({ workspace, onConflict }: { workspace: Workspace; onConflict: () => void }): JSX.Element {
  const { queue } = workspace
  const { label, tone, title } = textOf(queue)
  const act = (): void => {
    if (queue.state.peek() === 'conflict') onConflict()
    else if (queue.state.peek() === 'refused') {
      const [first] = queue.pending.peek().keys()
      if (first) void workspace.goTo(first)
    } else void queue.flush()
  }
  return (
    <button
      type="button"
      class={`pill ${tone}`}
      title={title}
      data-testid="saved-chip"
      aria-live="polite"
      onClick={act}
    >
      {label}
    </button>
  )
}
