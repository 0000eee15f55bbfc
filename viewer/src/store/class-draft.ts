/** Classes in the making: what the reader has changed of the schema, until it is saved. */
import { computed, signal } from '@preact/signals'
import { getSchema, putSchema, type Schema, SchemaConflict } from '../api/classes'
import { ApiError } from '../api/http'
import { type AnnotationClass, newClass } from '../model/annotation-class'

/** A row of the editor; `key` stays the same while the name is typed. */
export interface DraftClass extends AnnotationClass {
  readonly key: string
  /** Not in the schema yet: its name can still be chosen. */
  readonly isNew: boolean
}

function sameClass(a: AnnotationClass, b: AnnotationClass): boolean {
  const said = ({ name, color, priority, hotkey, code }: AnnotationClass): string =>
    JSON.stringify([name, color, priority, hotkey, code ? [code.system, code.code, code.meaning] : null])
  return said(a) === said(b)
}

const draftOf = (entry: AnnotationClass): DraftClass => ({ ...entry, key: entry.name, isNew: false })

export class ClassDraft {
  readonly rows = signal<readonly DraftClass[]>([])
  readonly state = signal<'loading' | 'editing' | 'saving' | 'saved' | 'failed'>('loading')
  readonly problem = signal('')
  /** What somebody else has made of the schema meanwhile. */
  readonly theirs = signal<Schema | null>(null)
  /** Classes that are not as the schema has them. */
  readonly changed = computed(() => this.rows.value.filter((row) => this.isChanged(row)))
  /** What is wrong with a row, by its key. */
  readonly faults = computed(() => this.faultsNow())
  private base = signal<Schema>({ items: [], version: 0 })
  private made = 0

  constructor(private readonly project: string) {}

  async load(): Promise<void> {
    this.state.value = 'loading'
    try {
      this.begin(await getSchema(this.project))
    } catch (error) {
      this.fail(error, 'failed')
    }
  }

  change(key: string, part: Partial<AnnotationClass>): void {
    this.rows.value = this.rows.peek().map((row) => (row.key === key ? { ...row, ...part } : row))
    this.state.value = 'editing'
  }

  add(): void {
    const key = `new ${++this.made}`
    this.rows.value = [...this.rows.peek(), { ...newClass('', this.rows.peek()), key, isNew: true }]
    this.state.value = 'editing'
  }

  /** Take out a class that was never saved. */
  drop(key: string): void {
    this.rows.value = this.rows.peek().filter((row) => row.key !== key || !row.isNew)
  }

  /** Save what is changed; answers whether the schema is now as the reader wants it. */
  async save(): Promise<boolean> {
    const items = this.changed.peek()
    if (items.length === 0 || this.faults.peek().size > 0) return false
    this.state.value = 'saving'
    this.problem.value = ''
    try {
      this.begin(await putSchema(this.project, items.map(clean), this.base.peek().version))
      this.state.value = 'saved'
      return true
    } catch (error) {
      if (error instanceof SchemaConflict) {
        this.theirs.value = error.current
        this.state.value = 'editing'
      } else this.fail(error, 'editing')
      return false
    }
  }

  /** Names of the classes that somebody else has changed or added since this draft began. */
  theirNames(): readonly string[] {
    const known = new Map(this.base.peek().items.map((entry) => [entry.name, entry]))
    const items = this.theirs.value?.items ?? []
    return items.flatMap((entry) => {
      const old = known.get(entry.name)
      return old && sameClass(old, entry) ? [] : [entry.name]
    })
  }

  /** Go on with theirs as the basis; what the reader has changed stays changed. */
  keepMine(): void {
    const theirs = this.theirs.peek()
    if (!theirs) return
    const mine = new Map(this.changed.peek().map((row) => [row.name.trim(), row]))
    const names = new Set(theirs.items.map(({ name }) => name))
    this.base.value = theirs
    this.rows.value = [
      ...theirs.items.map((entry) => ({ ...(mine.get(entry.name) ?? entry), key: entry.name, isNew: false })),
      ...[...mine.values()].filter(({ name }) => !names.has(name.trim())),
    ]
    this.theirs.value = null
  }

  /** Give up what was changed here. */
  takeTheirs(): void {
    const theirs = this.theirs.peek()
    if (theirs) this.begin(theirs)
  }

  private begin(schema: Schema): void {
    this.base.value = schema
    this.rows.value = schema.items.map(draftOf)
    this.theirs.value = null
    this.problem.value = ''
    this.state.value = 'editing'
  }

  private fail(error: unknown, state: 'failed' | 'editing'): void {
    this.problem.value = error instanceof ApiError ? error.detail : 'The server cannot be reached.'
    this.state.value = state
  }

  private isChanged(row: DraftClass): boolean {
    const stored = this.base.value.items.find(({ name }) => name === row.key)
    return row.isNew || !stored || !sameClass(stored, row)
  }

  private faultsNow(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    const names = new Map<string, string>()
    const hotkeys = new Map<string, string>()
    for (const { key, name, hotkey, code } of this.rows.value) {
      const trimmed = name.trim()
      if (trimmed === '') found.set(key, 'A class needs a name.')
      else if (names.has(trimmed)) found.set(key, `There is a class “${trimmed}” already.`)
      else if (hotkey !== null && hotkeys.has(hotkey))
        found.set(key, `“${hotkey}” is the hotkey of “${hotkeys.get(hotkey)}”.`)
      else if (code && [code.system, code.code, code.meaning].some((part) => part.trim() === ''))
        found.set(key, 'A code has three parts: system, code and meaning.')
      names.set(trimmed, key)
      if (hotkey !== null) hotkeys.set(hotkey, trimmed)
    }
    return found
  }
}

function clean({ code, ...entry }: DraftClass): AnnotationClass {
  const trim = code && { system: code.system.trim(), code: code.code.trim(), meaning: code.meaning.trim() }
  return { ...entry, name: entry.name.trim(), code: trim ?? null }
}
