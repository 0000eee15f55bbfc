/** The save queue: every edit is on disk first, then sent at once, and again with back-off until it has arrived. */
import { batch, computed, signal } from '@preact/signals'
import type { Feature } from '../model/geojson'
import type { GroupAction, GroupMember } from '../model/group-edit'
import { newUuid } from '../model/uuid'
import { isGroup, type Known, type Pending, type PendingGroup, type PendingRecord } from './pending'
import { memoryPendingDb, type PendingDb } from './pending-db'
import { type Outcome, save } from './save'
import { type GroupOutcome, saveGroup } from './save-group'

export type SaveState = 'saved' | 'saving' | 'offline' | 'conflict' | 'refused'
export type Choice = 'mine' | 'theirs'

/** Told when the server has an object as the reader wants it (null: gone), with what it had to repair, since when. */
export type WhenSaved = (id: string, feature: Feature | null, note: string, revision: number | null) => void

/** What is to be done to many objects. */
export interface GroupOrder {
  readonly action: GroupAction
  readonly isBack: boolean
  readonly members: readonly GroupMember[]
  /** Another one that is taken back before it has ended: then the members are those that it was done to. */
  readonly undoes: string | null
}

/** Told when a change of many is at an end, or waits for the reader's word about what is left. */
export type WhenEnded = (record: PendingGroup) => void

const FIRST_RETRY_MS = 1000
const LAST_RETRY_MS = 30_000

type Later = Extract<Outcome, { kind: 'later' }>

/** The longest and the first pause between tries; the pause doubles from try to try. */
export function retryDelay(failures: number): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
}

export class SaveQueue {
  /** Every object that is not as the reader wants it on the server yet. */
  readonly pending = signal<ReadonlyMap<string, Pending>>(new Map())
  /** Every change of many that is not at an end. */
  readonly groups = signal<ReadonlyMap<string, PendingGroup>>(new Map())
  groupEnded: WhenEnded = () => undefined
  /** The highest revision that the server has answered. */
  readonly revision = signal<number | null>(null)
  /** False where the browser keeps no database: what waits would be lost with the page. */
  readonly durable = signal(true)
  readonly state = computed<SaveState>(() => {
    const records: readonly PendingRecord[] = [...this.pending.value.values(), ...this.groups.value.values()]
    if (records.some((record) => record.status === 'conflict')) return 'conflict'
    if (records.some((record) => record.status === 'waiting')) return this.failures.value > 0 ? 'offline' : 'saving'
    return records.length > 0 ? 'refused' : 'saved'
  })
  /** How many objects wait to be saved. */
  readonly waiting = computed(() => {
    const groups = [...this.groups.value.values()].filter(({ status }) => status === 'waiting')
    const single = [...this.pending.value.values()].filter(({ status }) => status === 'waiting').length
    return groups.reduce((sum, { members, undoes }) => sum + (undoes === null ? members.length : 0), single)
  })

  private readonly failures = signal(0)
  private readonly known = new Map<string, Known>()
  private order = 0
  /** What is being sent now. */
  private sending: string | null = null
  private running: Promise<void> | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private isGone = false

  constructor(
    private readonly user: string,
    private readonly slide: string,
    private db: PendingDb,
    private readonly whenSaved: WhenSaved,
  ) {}

  /** Take up what earlier visits have left; answers it in the order of editing. */
  async restore(): Promise<readonly Pending[]> {
    const all = await this.db.load(this.user, this.slide).catch(() => this.withoutDisk<PendingRecord[]>([]))
    all.sort((a, b) => a.order - b.order)
    this.order = all.at(-1)?.order ?? 0
    const records = all.filter((record): record is Pending => !isGroup(record))
    this.pending.value = new Map(records.map((record) => [record.id, record]))
    this.groups.value = new Map(all.filter(isGroup).map((record) => [record.id, record]))
    return records
  }

  /**
   * Take up what lies on disk and no window holds, such as edits of one that was closed without a connection; answers
   * it in the order of editing. `claimed` tells what other windows hold (null: another one is to take it).
   */
  async adopt(claimed: () => Promise<ReadonlySet<string> | null>): Promise<readonly PendingRecord[]> {
    const strange = async (): Promise<PendingRecord[]> => {
      const all = await this.db.load(this.user, this.slide).catch(() => [])
      return all.filter(({ id }) => !this.pending.peek().has(id) && !this.groups.peek().has(id))
    }
    const before = new Set((await strange()).map(({ token }) => token))
    if (before.size === 0) return []
    const held = await claimed()
    if (!held) return []
    // What has been saved or edited meanwhile is somebody's.
    const found = (await strange()).filter(({ id, token }) => before.has(token) && !held.has(id))
    found.sort((a, b) => a.order - b.order)
    const singles = found.filter((record): record is Pending => !isGroup(record))
    batch(() => {
      this.pending.value = new Map([...this.pending.peek(), ...singles.map((record) => [record.id, record] as const)])
      this.groups.value = new Map([
        ...this.groups.peek(),
        ...found.filter(isGroup).map((record) => [record.id, record] as const),
      ])
    })
    this.order = Math.max(this.order, found.at(-1)?.order ?? 0)
    return found
  }

  /** Names of all changes that are not at an end here. */
  held(): string[] {
    return [...this.pending.peek().keys(), ...this.groups.peek().keys()]
  }

  /** The reader wants this done to many objects; answers the name of the change. Sending starts once it is on disk. */
  enqueueGroup(order: GroupOrder): string {
    const record: PendingGroup = {
      ...{ kind: 'group', user: this.user, slide: this.slide, id: newUuid(), ...order },
      ...{ done: [], left: [], locked: 0, isKnown: false, isSent: false, box: null },
      ...{ status: 'waiting', reason: '', token: newUuid(), order: ++this.order },
    }
    void this.writeGroup(record).then(() => this.flush())
    return record.id
  }

  /** Take back a change of many of which nothing has left yet; false when that is too late. */
  cancelGroup(id: string): boolean {
    const record = this.groups.peek().get(id)
    if (record?.status !== 'waiting' || this.sending === id || record.isSent || record.done.length > 0) return false
    void this.eraseGroup(record)
    return true
  }

  /** Say what becomes of the objects that others have changed meanwhile: the same all the same, or nothing. */
  async resolveGroup(id: string, choice: Choice): Promise<void> {
    const record = this.groups.peek().get(id)
    if (record?.status !== 'conflict') return
    if (choice === 'theirs') {
      await this.eraseGroup(record)
      return
    }
    const members = [...record.members, ...record.left.filter(({ isGone }) => !isGone)]
    const again = { members, left: [], locked: 0, done: [], isKnown: false, isSent: false, status: 'waiting' } as const
    await this.writeGroup({ ...record, ...again, reason: '', token: newUuid(), order: ++this.order })
    void this.flush()
  }

  /** The server has told of an object at this revision. */
  learn(id: string, revision: number): void {
    this.known.set(id, { revision, alive: revision })
    this.seen(revision)
  }

  /** The server has made this revision of the slide for the reader, such as by an import. */
  told(revision: number): void {
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
    this.isGone = true
    clearTimeout(this.timer)
  }

  private async sendAll(): Promise<void> {
    for (let record = this.nextWaiting(); record; record = this.nextWaiting()) {
      this.sending = record.id
      const later = isGroup(record) ? await this.sendGroup(record) : await this.sendOne(record)
      this.sending = null
      if (later) {
        this.failures.value++
        if (!later.signedOut && !this.isGone)
          this.timer = setTimeout(() => void this.flush(), retryDelay(this.failures.peek()))
        return
      }
      this.failures.value = 0
    }
  }

  /** Answers null when it is settled. */
  private async sendOne(record: Pending): Promise<Later | null> {
    const outcome = await save(record, (part) => this.amend(record.id, part))
    if (outcome.kind === 'later') return outcome
    await this.settle(record, outcome)
    return null
  }

  private async sendGroup(record: PendingGroup): Promise<Later | null> {
    const own = (id: string): number | null => this.known.get(id)?.revision ?? null
    const outcome = await saveGroup(record, own, (part) => this.amendGroup(record.id, part))
    if (outcome.kind === 'later') return outcome
    await this.settleGroup(outcome)
    return null
  }

  private nextWaiting(): PendingRecord | undefined {
    const all: readonly PendingRecord[] = [...this.pending.peek().values(), ...this.groups.peek().values()]
    return all.filter(({ status }) => status === 'waiting').sort((a, b) => a.order - b.order)[0]
  }

  private async settleGroup(outcome: Exclude<GroupOutcome, Later>): Promise<void> {
    const { record } = outcome
    for (const member of record.done) await this.learnMember(member, record.action === 'delete' && !record.isBack)
    // What takes this one back is about what was done of it.
    for (const other of this.groups.peek().values()) {
      if (other.undoes === record.id) await this.writeGroup({ ...other, undoes: null, members: record.done })
    }
    const reason = outcome.kind === 'refused' ? outcome.reason : ''
    const isOpen = reason !== '' || record.left.some(({ isGone }) => !isGone)
    const now: PendingGroup = isOpen ? { ...record, status: 'conflict', reason } : record
    if (isOpen) await this.writeGroup(now)
    else await this.eraseGroup(record)
    this.groupEnded(now)
  }

  private async learnMember({ id, seen }: GroupMember, isGone: boolean): Promise<void> {
    this.seen(seen)
    const before = id === null ? undefined : this.known.get(id)
    if (id === null || (isGone && !before)) return
    const known: Known = { revision: seen, alive: isGone && before ? before.alive : seen }
    this.known.set(id, known)
    // An edit of this object that waits is based on what the change of many has made of it since.
    const waiting = this.pending.peek().get(id)
    if (waiting?.known && waiting.known.revision < seen) await this.write({ ...waiting, known })
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

  private async amendGroup(id: string, part: Partial<PendingGroup>): Promise<void> {
    const record = this.groups.peek().get(id)
    if (record) await this.writeGroup({ ...record, ...part })
  }

  private async writeGroup(record: PendingGroup): Promise<void> {
    this.groups.value = new Map(this.groups.peek()).set(record.id, record)
    await this.db.put(record).catch(() => this.withoutDisk(undefined))
  }

  private async eraseGroup(record: PendingGroup): Promise<void> {
    const left = new Map(this.groups.peek())
    left.delete(record.id)
    this.groups.value = left
    await this.db.remove(record).catch(() => this.withoutDisk(undefined))
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
