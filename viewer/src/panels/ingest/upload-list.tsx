import type { JSX } from 'preact'
import { formatBytes, formatDuration, plural } from '../../model/format'
import type { UploadItem, UploadPhase, Uploads } from '../../store/uploads'
import { Icon, type IconName } from '../icons'
import { Progress } from '../progress'

const WORDS: Readonly<Record<UploadPhase, string>> = {
  queued: 'waiting for its turn',
  sending: 'sending',
  waiting: 'trying again soon',
  paused: 'paused',
  failed: 'refused',
  done: 'sent, now a job',
}
const ICONS: Readonly<Partial<Record<UploadPhase, IconName>>> = { done: 'check', failed: 'alert', waiting: 'clock' }
const TONES: Readonly<Partial<Record<UploadPhase, string>>> = {
  done: 'pill-good',
  waiting: 'pill-warn',
  failed: 'pill-bad',
}

function Buttons({ item, uploads }: { item: UploadItem; uploads: Uploads }): JSX.Element {
  const phase = item.phase.value
  const button = (label: string, run: () => unknown): JSX.Element => (
    <button type="button" class="button button-small" aria-label={`${label} ${item.label}`} onClick={() => void run()}>
      {label}
    </button>
  )
  return (
    <div class="row-buttons">
      {(phase === 'sending' || phase === 'queued' || phase === 'waiting') && button('Pause', () => uploads.pause(item))}
      {phase === 'waiting' && button('Try now', () => uploads.wake())}
      {phase === 'paused' && button('Resume', () => uploads.resume(item))}
      {phase === 'failed' && button('Try again', () => uploads.resume(item))}
      {button(phase === 'done' ? 'Clear' : 'Cancel', () => uploads.cancel(item))}
    </div>
  )
}

function sizesText(item: UploadItem): string {
  const sent = item.sent.value
  const size = sent < item.total ? `${formatBytes(sent)} of ${formatBytes(item.total)}` : formatBytes(item.total)
  const files = item.scan.isSet ? [plural(item.scan.files.length, 'file')] : []
  const speed = item.speed.value === null ? [] : [`${formatBytes(item.speed.value)}/s`]
  return [...files, size, ...speed].join(' · ')
}

/** How much has gone, and about how long the rest takes at the speed of now. */
function percentText(item: UploadItem): string {
  const [sent, speed] = [item.sent.value, item.speed.value]
  const share = `${item.total === 0 ? 0 : Math.floor((100 * sent) / item.total)} %`
  return speed ? `${share} · ${formatDuration((item.total - sent) / speed)} left` : share
}

function Row({ item, uploads }: { item: UploadItem; uploads: Uploads }): JSX.Element {
  const phase = item.phase.value
  return (
    <li class="work-row" data-testid="upload-row" data-phase={phase}>
      <div class="work-what">
        <span class="work-name clip" title={item.label}>
          {item.label}
        </span>
        <span class="quiet">{sizesText(item)}</span>
      </div>
      <div class="work-state">
        <span class={`pill ${TONES[phase] ?? ''}`}>
          {ICONS[phase] && <Icon name={ICONS[phase]} size={13} />}
          {WORDS[phase]}
        </span>
        {phase !== 'done' && <span class="quiet">{percentText(item)}</span>}
        {phase !== 'done' && (
          <Progress label={`Sent of ${item.label}`} share={item.total === 0 ? 0 : item.sent.value / item.total} />
        )}
        {item.message.value !== '' && (
          <p class={phase === 'failed' ? 'work-note note-bad' : 'work-note note-warn'} role="status">
            {item.message.value}
          </p>
        )}
      </div>
      <Buttons item={item} uploads={uploads} />
    </li>
  )
}

export function UploadList({ uploads }: { uploads: Uploads }): JSX.Element | null {
  const items = uploads.items.value
  if (items.length === 0) return null
  return (
    <section class="work" aria-labelledby="uploads-title">
      <h2 id="uploads-title">
        Uploads <span class="count">{items.length}</span>
      </h2>
      <ul class="work-list">
        {items.map((item) => (
          <Row key={item.id} item={item} uploads={uploads} />
        ))}
      </ul>
    </section>
  )
}
