/** The save queue: every edit is on disk first, then sent at once, and again with back-off until it has arrived. */
import { computed, signal } from '@preact/signals'
import type { Feature } from '../model/geojson'
import { newUuid } from '../model/uuid'
import type { Known, Pending } from './pending'
import { memoryPendingDb, type PendingDb } from './pending-db'
import { type Outcome, save } from './save'

export type SaveState = 'saved' | 'saving' | 'offline' | 'conflict' | 'refused'
export type Choice = 'mine' | 'theirs'

/** Told when the server has an object as the reader wants it (null: gone), with what it had to repair, since when. */
export type WhenSaved = (id: string, feature: Feature | null, note: string, revision: number | null) => void

const FIRST_RETRY_MS = 1000
const LAST_RETRY_MS = 30_000

/** The longest and the first pause between tries; the pause doubles from try to try. */
export function retryDelay(failures: number): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
}

export class SaveQueue {
  /** Every object that is not as the reader wants it on the server yet. */
  readonly pending = signal<ReadonlyMap<string, Pending>>(new Map())
  /** The highest revision that the server has answered. */
  readonly revision = signal<number | null>(null)
  /** False where the browser keeps no database: what waits would be lost with the page. */
  readonly durable = signal(true)
  readonly state = computed<SaveState>(() => {
    const records = [...this.pending.value.values()]
    if (records.some((record) => record.status === 'conflict')) return 'conflict'
    if (records.some((record) => record.status === 'waiting')) return this.failures.value > 0 ? 'offline' : 'saving'
    return records.length > 0 ? 'refused' : 'saved'
  })
  readonly waiting = computed(() => [...this.pending.value.values()].filter((r) => r.status === 'waiting').length)

  private readonly failures = signal(0)
  private readonly known = new Map<string, Known>()
  private order = 0
  private running: Promise<void> | null = null
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly user: string,
    private readonly slide: string,
    private db: PendingDb,
    private readonly whenSaved: WhenSaved,
  ) {}

  /** Take up what earlier visits have left; answers it in the order of editing. */
  async restore(): Promise<readonly Pending[]> {
    const records = await this.db.load(this.user, this.slide).catch(() => this.withoutDisk([]))
    records.sort((a, b) => a.order - b.order)
    this.order = records.at(-1)?.order ?? 0
    this.pending.value = new Map(records.map((record) => [record.id, record]))
    return records
  }

  /** The server has told of an object at this revision. */
  learn(id: string, revision: number): void {
    this.known.set(id, { revision, alive: revision })
    this.seen(revision)
  }

  /** The revision of an object that the next edit of it is based on; null when none has been told. */
  basisOf(id: string): number | null {
    return (this.pending.peek().get(id)?.known ?? this.known.get(id))?.revision ?? null
  }

  /** The reader wants the object to be this (null: gone); resolves once that is on disk. Sending starts at once. */
  async enqueue(id: string, desired: Feature | null): Promise<void> {
    const old = this.pending.peek().get(id)
    const record: Pending = {
      user: this.user,
      slide: this.slide,
      id,
      desired,
      known: old?.known ?? this.known.get(id) ?? null,
      sent: old?.sent ?? null,
      status: old?.status === 'conflict' ? 'conflict' : 'waiting',
      reason: '',
      theirs: old?.theirs ?? null,
      token: newUuid(),
      order: ++this.order,
    }
    await this.write(record)
    void this.flush()
  }

  /** Settle a conflict; `theirs` answers their form of the object for the caller to show. */
  async resolve(id: string, choice: Choice): Promise<Feature | null> {
    const record = this.pending.peek().get(id)
    if (!record?.theirs) return null
    const { feature, revision } = record.theirs
    const known: Known = { revision, alive: feature ? revision : (record.known?.alive ?? revision) }
    this.known.set(id, known)
    this.seen(revision)
    if (choice === 'theirs') {
      await this.erase(record)
      return feature
    }
    await this.write({ ...record, known, sent: null, status: 'waiting', theirs: null, token: newUuid() })
    void this.flush()
    return record.desired
  }

  /** Send what waits, one object after the other; a second call joins the first. */
  flush(): Promise<void> {
    clearTimeout(this.timer)
    this.running ??= this.sendAll().finally(() => {
      this.running = null
    })
    return this.running
  }

  /** Stop trying; what waits stays on disk. */
  dispose(): void {
    clearTimeout(this.timer)
  }

  private async sendAll(): Promise<void> {
    for (let record = this.nextWaiting(); record; record = this.nextWaiting()) {
      const sent = record
      const outcome = await save(sent, (part) => this.amend(sent.id, part))
      if (outcome.kind === 'later') {
        this.failures.value++
        if (!outcome.signedOut) this.timer = setTimeout(() => void this.flush(), retryDelay(this.failures.peek()))
        return
      }
      this.failures.value = 0
      await this.settle(sent, outcome)
    }
  }

  private nextWaiting(): Pending | undefined {
    const waiting = [...this.pending.peek().values()].filter((record) => record.status === 'waiting')
    return waiting.sort((a, b) => a.order - b.order)[0]
  }

  private async settle(sent: Pending, outcome: Exclude<Outcome, { kind: 'later' }>): Promise<void> {
    const now = this.pending.peek().get(sent.id) ?? sent
    const edited = now.token !== sent.token
    if (outcome.kind === 'saved') {
      if (outcome.known) {
        this.known.set(sent.id, outcome.known)
        this.seen(outcome.known.revision)
      } else this.known.delete(sent.id)
      if (edited) await this.write({ ...now, known: outcome.known, sent: null })
      else {
        await this.erase(now)
        this.whenSaved(sent.id, outcome.feature, outcome.note, outcome.known?.revision ?? null)
      }
    } else if (outcome.kind === 'conflict') {
      await this.write({ ...now, status: 'conflict', theirs: outcome.theirs })
    } else if (edited) {
      await this.write({ ...now, sent: null })
    } else {
      await this.write({ ...now, status: 'refused', reason: outcome.reason, sent: null })
    }
  }

  private seen(revision: number): void {
    if (revision > (this.revision.peek() ?? 0)) this.revision.value = revision
  }

  /** Change parts of a record without making it a new edit. */
  private async amend(id: string, part: Partial<Pending>): Promise<void> {
    const record = this.pending.peek().get(id)
    if (record) await this.write({ ...record, ...part })
  }

  private async write(record: Pending): Promise<void> {
    this.pending.value = new Map(this.pending.peek()).set(record.id, record)
    await this.db.put(record).catch(() => this.withoutDisk(undefined))
  }

  private async erase(record: Pending): Promise<void> {
    const left = new Map(this.pending.peek())
    left.delete(record.id)
    this.pending.value = left
    await this.db.remove(record).catch(() => this.withoutDisk(undefined))
  }

  /** The disk has failed (full, forbidden): go on in memory and let the page warn. */
  private withoutDisk<T>(value: T): T {
    this.db = memoryPendingDb()
    this.durable.value = false
    return value
  }
}
