import type { JSX } from 'preact'
import { formatSignificant, formatTime } from '../../model/format'
import { factsOf, isOver, type Job, missingText, shareOf, stateText } from '../../model/job'
import { slidePath } from '../../model/url'
import type { Jobs } from '../../store/jobs'
import { jobLabel } from '../../store/upload-records'
import { Icon, type IconName } from '../icons'
import { Progress } from '../progress'
import { Checksum, Identity } from './job-details'

const ICONS: Readonly<Partial<Record<Job['state'], IconName>>> = { done: 'check', failed: 'alert', queued: 'clock' }
const TONES: Readonly<Record<Job['state'], string>> = {
  queued: '',
  running: 'pill-busy',
  done: 'pill-good',
  failed: 'pill-bad',
  cancelled: '',
}

/** Links to what the job has made; the slide is there long before the last of its levels. */
function SlideLinks({ job }: { job: Job }): JSX.Element | null {
  if (job.slides.length === 0) return null
  return (
    <span class="slide-links">
      {job.slides.map((slide, index) => (
        <a key={slide} class="link" data-testid="job-slide" href={slidePath(slide)}>
          {job.slides.length === 1 ? 'Open slide' : `Open slide ${index + 1}`}
        </a>
      ))}
    </span>
  )
}

function Buttons({ job, jobs }: { job: Job; jobs: Jobs }): JSX.Element {
  const button = (label: string, run: () => Promise<void>): JSX.Element => (
    <button type="button" class="button button-small" aria-label={`${label} ${job.label}`} onClick={() => void run()}>
      {label}
    </button>
  )
  return (
    <div class="row-buttons">
      {!isOver(job) && button('Cancel', () => jobs.cancel(job))}
      {job.can_retry && button('Try again', () => jobs.retry(job))}
      {isOver(job) && button('Remove', () => jobs.remove(job))}
    </div>
  )
}

function timesText(job: Job): string {
  const rate = job.tiles_per_second === null ? [] : [`${formatSignificant(job.tiles_per_second)} tiles/s`]
  return [formatTime(job.finished ?? job.created), ...rate, ...(job.resumed ? ['resumed'] : [])].join(' · ')
}

export function JobRow({ job, jobs }: { job: Job; jobs: Jobs }): JSX.Element {
  const refusal = jobs.refusals.value.get(job.id)
  const icon = ICONS[job.state]
  const file = jobLabel(job.id)
  const missing = missingText(job)
  return (
    <li class="work-row" data-testid="job-row" data-job={job.id} data-state={job.state}>
      <div class="work-what">
        <span class="work-head">
          <span class="work-name clip">{job.label}</span>
          {file !== null && (
            <span class="clip" title="The name is known in this tab only.">
              {file}
            </span>
          )}
          <SlideLinks job={job} />
        </span>
        <span class="quiet">{[job.project, factsOf(job)].filter(Boolean).join(' · ')}</span>
        {job.content_hash !== null && <Checksum hash={job.content_hash} />}
      </div>
      <div class="work-state">
        <span class={`pill ${TONES[job.state]}`}>
          {icon && <Icon name={icon} size={13} />}
          {stateText(job)}
        </span>
        <span class="quiet">{timesText(job)}</span>
        {job.state === 'running' && <Progress label={`Done of ${job.label}`} share={shareOf(job)} />}
        {missing !== null && <p class="work-note note-warn">{missing}</p>}
        {job.error !== null && <p class="work-note note-bad">{job.error.message}</p>}
        {refusal !== undefined && (
          <p class="work-note note-warn" role="alert">
            {refusal}
          </p>
        )}
      </div>
      <Buttons job={job} jobs={jobs} />
      {job.identity !== null && <Identity report={job.identity} />}
    </li>
  )
}
