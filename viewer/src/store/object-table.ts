/** The list of objects: what the server has of it so far, in which order, and which rows are chosen. */
import { batch, computed, effect, signal } from '@preact/signals'
import { ApiError } from '../api/http'
import { countObjects, listObjects } from '../api/objects'
import { forServer, inReadersPlaces } from '../model/condition'
import { formatCount } from '../model/format'
import type { Feature } from '../model/geojson'
import type { Mpp } from '../model/geometry'
import type { Fates } from '../model/group-edit'
import { nextOrder, type ObjectRow, type Order, rowOf, rowsAfter, type SortKey } from '../model/object-row'
import { cornersOf, type View, viewBox } from '../model/view'
import { MOST_AT_ONCE } from './group-editor'

/** Rows of the first page, and of those that follow. */
const FIRST_PAGE = 200
const PAGE = 500
/** Rows of a page where all of them are wanted. */
const LARGE_PAGE = 2000
/** So many rows are read anew when something has changed; beyond, the reader asks for it. */
const MOST_RENEWED = 1000
/** How long typing and moving rest before the server is asked. */
const REST_MS = 300

export interface TableParts {
  readonly slide: string
  readonly mpp: () => Mpp | null
  readonly view: { readonly value: View | null; peek(): View | null }
  /** Goes up whenever objects have changed. */
  readonly edition: { readonly value: number }
}

/** The part of the question that says where: all that shares a place with what is on the screen. */
function placeOf(view: View): [string, string] {
  if (view.rotation === 0)
    return [
      'bbox',
      viewBox(view)
        .map((part) => part.toFixed(2))
        .join(),
    ]
  return [
    'polygon',
    cornersOf(view)
      .flat()
      .map((part) => part.toFixed(2))
      .join(),
  ]
}

export class ObjectTable {
  readonly rows = signal<readonly ObjectRow[]>([])
  /** How many there are in all; null: not known yet. */
  readonly total = signal<number | null>(null)
  readonly state = signal<'loading' | 'ready' | 'failed'>('loading')
  /** Why nothing is shown, such as what is wrong with the condition. */
  readonly problem = signal('')
  /** What is shown is the answer to another question, while this one's is awaited. */
  readonly isOther = signal(false)
  /** What is shown is of an earlier revision. */
  readonly stale = signal(false)
  readonly order = signal<Order>('number')
  readonly text = signal('')
  readonly filter = signal('')
  readonly onScreen = signal(false)
  /** Whether the server has more than what is here. */
  readonly hasMore = computed(() => this.cursor.value !== null)
  private readonly cursor = signal<string | null>(null)
  private asking = new AbortController()
  private growing: Promise<void> | null = null
  private answered = ''
  private asked = ''
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(private readonly parts: TableParts) {}

  /** Follow what the reader asks for, and what changes, until the answer is called. */
  follow(): () => void {
    let [asked, edition] = ['', Number.POSITIVE_INFINITY]
    const stops = [
      effect(() => {
        const question = this.question(true).toString()
        // What is typed and where the view goes rests for a moment; the first time, and a new order, are asked for at once.
        const typing = asked !== '' && asked.replace(/order=[^&]*/, '') !== question.replace(/order=[^&]*/, '')
        if (question !== asked) this.later('question', () => void this.renew(), typing ? REST_MS : 0)
        asked = question
      }),
      effect(() => {
        const now = this.parts.edition.value
        if (now > edition) this.later('changed', () => this.changed(), REST_MS)
        edition = now
      }),
    ]
    return () => {
      for (const timer of this.timers.values()) clearTimeout(timer)
      this.asking.abort()
      for (const stop of stops) stop()
    }
  }

  sortBy(key: SortKey): void {
    this.order.value = nextOrder(this.order.peek(), key)
  }

  /** Read the list anew from its beginning. */
  async renew(count = FIRST_PAGE): Promise<void> {
    this.asking.abort()
    const mine = new AbortController()
    this.asking = mine
    this.growing = null
    this.state.value = 'loading'
    const question = this.question(false)
    this.isOther.value = question.toString() !== this.answered
    // What was wrong with another question says nothing of this one.
    if (question.toString() !== this.asked) this.problem.value = ''
    this.asked = question.toString()
    try {
      const [page, total] = await Promise.all([
        listObjects(this.parts.slide, question, { limit: count, signal: mine.signal }),
        countObjects(this.parts.slide, this.narrowing(), mine.signal),
      ])
      if (mine !== this.asking) return
      const mpp = this.parts.mpp()
      batch(() => {
        this.answered = question.toString()
        this.isOther.value = false
        this.rows.value = page.features.map((feature) => rowOf(feature, mpp))
        this.cursor.value = page.next
        this.total.value = total
        this.problem.value = ''
        this.stale.value = false
        this.state.value = 'ready'
      })
    } catch (error) {
      if (mine === this.asking && !mine.signal.aborted) this.fail(error)
    }
  }

  /** Read on where the rows end. */
  more(limit = PAGE): Promise<void> {
    const cursor = this.cursor.peek()
    if (this.growing) return this.growing
    if (cursor === null || this.state.peek() !== 'ready') return Promise.resolve()
    const growing = this.grow(cursor, limit).then(() => {
      if (this.growing === growing) this.growing = null
    })
    this.growing = growing
    return growing
  }

  /** Read on to the end, as far as that can be changed at once; answers why not all rows are here, '' when they are. */
  async whole(): Promise<string> {
    const { asking } = this
    const total = this.total.peek() ?? 0
    if (total > MOST_AT_ONCE) {
      return `${formatCount(total)} objects are listed; at most ${formatCount(MOST_AT_ONCE)} are selected at once. Narrow the list.`
    }
    const isSame = (): boolean => asking === this.asking && this.state.peek() === 'ready'
    while (isSame() && this.hasMore.peek()) await this.more(LARGE_PAGE)
    return isSame() ? '' : 'The list could not be read to its end: nothing is selected. Try again.'
  }

  /** Show in the rows what has become of objects since they were read. */
  became(fates: Fates): void {
    this.rows.value = rowsAfter(this.rows.peek(), fates)
  }

  /** Show an object in its row as the server has it now. */
  show(feature: Feature): void {
    const row = rowOf(feature, this.parts.mpp())
    const rows = this.rows.peek()
    if (rows.some(({ id }) => id === row.id)) this.rows.value = rows.map((each) => (each.id === row.id ? row : each))
  }

  private async grow(cursor: string, limit: number): Promise<void> {
    const asking = this.asking
    try {
      // The view may have moved on meanwhile: a cursor belongs to the question that was answered.
      const question = new URLSearchParams(this.answered)
      const page = await listObjects(this.parts.slide, question, { cursor, limit, signal: asking.signal })
      if (asking !== this.asking) return
      const mpp = this.parts.mpp()
      batch(() => {
        this.rows.value = [...this.rows.peek(), ...page.features.map((feature) => rowOf(feature, mpp))]
        this.cursor.value = page.next
      })
    } catch (error) {
      if (asking === this.asking && !asking.signal.aborted) this.fail(error)
    }
  }

  private fail(error: unknown): void {
    const told = error instanceof ApiError ? error.detail : 'The server cannot be reached.'
    batch(() => {
      this.state.value = 'failed'
      this.problem.value = inReadersPlaces(told, this.filter.peek().trim(), this.parts.mpp())
    })
  }

  private changed(): void {
    const shown = this.rows.peek().length
    if (shown > MOST_RENEWED) this.stale.value = true
    else void this.renew(Math.max(shown, FIRST_PAGE))
  }

  private later(what: string, work: () => void, ms: number): void {
    clearTimeout(this.timers.get(what))
    this.timers.set(what, setTimeout(work, ms))
  }

  /** How the list is narrowed, in the server's words. */
  narrowing(): URLSearchParams {
    const query = this.question(false)
    query.delete('order')
    return query
  }

  /** What is asked for; with `watch` whoever calls this is told when that changes. */
  private question(watch: boolean): URLSearchParams {
    const read = <T>(source: { readonly value: T; peek(): T }): T => (watch ? source.value : source.peek())
    const query = new URLSearchParams([['order', read(this.order)]])
    const [text, filter] = [read(this.text).trim(), read(this.filter).trim()]
    if (text !== '') query.set('q', text)
    if (filter !== '') query.set('filter', forServer(filter, this.parts.mpp()))
    const view = read(this.onScreen) ? read(this.parts.view) : null
    if (view) query.set(...placeOf(view))
    return query
  }
}
