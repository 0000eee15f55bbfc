import type { JSX } from 'preact'
import type { Jobs } from '../../store/jobs'
import { JobRow } from './job-row'

export function JobList({ jobs }: { jobs: Jobs }): JSX.Element {
  const shown = jobs.shown.value
  return (
    <section class="work" aria-labelledby="jobs-title">
      <h2 id="jobs-title">
        Jobs <span class="count">{shown.length === 0 ? '' : `${shown.length}${jobs.more.value ? '+' : ''}`}</span>
        {!jobs.live.value && <span class="pill pill-warn">not live</span>}
      </h2>
      {jobs.failure.value !== '' && (
        <p class="note note-bad" role="alert">
          {jobs.failure.value}
        </p>
      )}
      {shown.length === 0 && jobs.loaded.value && <p class="note">No jobs yet.</p>}
      <ul class="work-list">
        {shown.map((job) => (
          <JobRow key={job.id} job={job} jobs={jobs} />
        ))}
      </ul>
      {jobs.more.value && (
        <button type="button" class="button work-more" onClick={() => void jobs.loadMore()}>
          Show more jobs
        </button>
      )}
    </section>
  )
}
