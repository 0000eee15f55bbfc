import type { JSX } from 'preact'
import { formatBytes, formatTime, plural } from '../../model/format'
import type { ChosenFile } from '../../model/scan-files'
import type { Unfinished } from '../../store/upload-records'
import type { Uploads } from '../../store/uploads'
import { Progress } from '../progress'
import { PickButton } from './pick-button'

interface Props {
  readonly uploads: Uploads
  readonly onFiles: (files: Promise<ChosenFile[]>) => void
}

function nameOf({ label, record }: Unfinished): string {
  if (label !== null) return label
  return record.count === 1 ? `A file of ${formatBytes(record.total)}` : `${plural(record.count, 'file')} of one scan`
}

function Row({ item, uploads, onFiles }: Props & { item: Unfinished }): JSX.Element {
  const { record } = item
  const name = nameOf(item)
  const look = { look: 'button-small button-primary', testId: 'pick-again', onFiles }
  return (
    <li class="work-row" data-testid="unfinished-row">
      <div class="work-what">
        <span class="work-name clip">{name}</span>
        <span class="quiet">
          {formatBytes(record.sent)} of {formatBytes(record.total)} · {record.project} ·{' '}
          {formatTime(new Date(record.saved).toISOString())}
        </span>
      </div>
      <div class="work-state">
        <span class="pill pill-warn">interrupted</span>
        <Progress label={`Sent of ${name}`} share={record.total === 0 ? 0 : record.sent / record.total} />
      </div>
      <div class="row-buttons">
        {record.count === 1 ? (
          <PickButton label="Choose it again" name={`Choose it again: ${name}`} {...look} />
        ) : (
          <PickButton label="Choose its folder again" name={`Choose its folder again: ${name}`} folders {...look} />
        )}
        <button
          type="button"
          class="button button-small"
          aria-label={`Discard ${name}`}
          onClick={() => void uploads.discard(item)}
        >
          Discard
        </button>
      </div>
    </li>
  )
}

/** What a reload or a crash has interrupted. A page may not open files by itself, so people choose them again. */
export function UnfinishedList({ uploads, onFiles }: Props): JSX.Element | null {
  const items = uploads.unfinished.value
  if (items.length === 0) return null
  return (
    <section class="work" aria-labelledby="unfinished-title">
      <h2 id="unfinished-title">
        Interrupted uploads <span class="count">{items.length}</span>
      </h2>
      <p class="work-lead">
        Choose or drop the same file again: it goes on where it stopped, and nothing is sent twice.
      </p>
      <ul class="work-list">
        {items.map((item) => (
          <Row key={item.fingerprint} item={item} uploads={uploads} onFiles={onFiles} />
        ))}
      </ul>
    </section>
  )
}
