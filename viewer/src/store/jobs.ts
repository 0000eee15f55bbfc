/** The ingest jobs, newest first: a page at a time, and current as long as somebody looks. */
import { computed, signal } from '@preact/signals'
import { ApiError } from '../api/http'
import { cancelJob, listJobs, removeJob, retryJob, watchJobs } from '../api/jobs'
import { type Job, newestFirst } from '../model/job'

const PAGE = 50

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'The jobs could not be loaded.'
}

export class Jobs {
  readonly loaded = signal(false)
  readonly failure = signal('')
  /** Whether changes arrive by themselves at the moment. */
  readonly live = signal(true)
  /** Why the server did not do what was asked of a job. */
  readonly refusals = signal<ReadonlyMap<string, string>>(new Map())
  private readonly jobs = signal<ReadonlyMap<string, Job>>(new Map())
  private readonly cursor = signal<string | null>(null)
  readonly more = computed(() => this.cursor.value !== null)
  readonly shown = computed(() => [...this.jobs.value.values()].sort(newestFirst))

  /** Load the newest and keep them current; gives the function that ends it. */
  follow(): () => void {
    const abort = new AbortController()
    const end = watchJobs({
      onJob: (job) => this.put([job]),
      onRemoved: (id) => this.drop(id),
      onOpen: () => {
        this.live.value = true
        void this.load(abort.signal)
      },
      onBreak: () => {
        this.live.value = false
      },
    })
    return () => {
      abort.abort()
      end()
    }
  }

  /** Load the next page of older jobs. */
  async loadMore(): Promise<void> {
    await this.attempt(async () => {
      const page = await listJobs(PAGE, this.cursor.peek(), new AbortController().signal)
      this.cursor.value = page.next
      this.put(page.items)
    })
  }

  async cancel(job: Job): Promise<void> {
    await this.ask(job, async () => this.put([await cancelJob(job.id)]))
  }

  async retry(job: Job): Promise<void> {
    await this.ask(job, async () => this.put([await retryJob(job.id)]))
  }

  async remove(job: Job): Promise<void> {
    await this.ask(job, async () => {
      await removeJob(job.id)
      this.drop(job.id)
    })
  }

  private async load(signal: AbortSignal): Promise<void> {
    await this.attempt(async () => {
      const page = await listJobs(PAGE, null, signal)
      this.jobs.value = new Map(page.items.map((job) => [job.id, job]))
      this.cursor.value = page.next
      this.loaded.value = true
    }, signal)
  }

  private async attempt(work: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    try {
      await work()
      this.failure.value = ''
    } catch (error) {
      if (!signal?.aborted) this.failure.value = messageOf(error)
    }
  }

  private async ask(job: Job, work: () => Promise<void>): Promise<void> {
    const refusals = new Map(this.refusals.peek())
    refusals.delete(job.id)
    try {
      await work()
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.drop(job.id)
      else refusals.set(job.id, messageOf(error))
    }
    this.refusals.value = refusals
  }

  private put(jobs: readonly Job[]): void {
    const held = new Map(this.jobs.peek())
    for (const job of jobs) held.set(job.id, job)
    this.jobs.value = held
  }

  private drop(id: string): void {
    const held = new Map(this.jobs.peek())
    held.delete(id)
    this.jobs.value = held
  }
}
