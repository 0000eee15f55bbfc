/** Which rows of the table are chosen: by pointer and keys, one, many, or all between two. */
import { batch, computed, signal } from '@preact/signals'
import type { ObjectRow } from '../model/object-row'
import type { Interaction } from './interaction'

export interface ChoiceParts {
  readonly interaction: Interaction
  readonly rows: { readonly value: readonly ObjectRow[]; peek(): readonly ObjectRow[] }
  /** Read all rows; answers why not all are here, '' when they are. */
  readonly whole: () => Promise<string>
  /** Say something to the reader. */
  readonly tell: (text: string) => void
  /** Select one object and bring it into view. */
  readonly goTo: (id: string) => Promise<void>
}

export class RowChoice {
  /** The row that the keys go on from. */
  readonly active = signal(0)
  /** All are chosen as soon as they have been read. */
  readonly reading = signal(false)
  /** Rises with every choice: one that came later has the last word. */
  private choices = 0
  /** Where a range begins. */
  private anchor = 0
  private readonly chosen = computed(() => new Set(this.parts.interaction.group.value?.numbers ?? []))

  constructor(private readonly parts: ChoiceParts) {}

  isChosen({ id, number }: ObjectRow): boolean {
    return this.parts.interaction.selection.value === id || this.chosen.value.has(number)
  }

  /** Go to a row without choosing it. */
  move(to: number): void {
    this.active.value = Math.max(0, Math.min(this.parts.rows.peek().length - 1, to))
    this.anchor = this.active.peek()
  }

  /** Choose one row alone and show where it is. */
  async pick(at: number): Promise<void> {
    this.choices++
    this.reading.value = false
    this.move(at)
    const row = this.parts.rows.peek()[this.active.peek()]
    if (!row) return
    this.parts.interaction.group.value = null
    await this.parts.goTo(row.id)
  }

  /** Choose all rows between where the range begins and this one. */
  extend(to: number): void {
    const rows = this.parts.rows.peek()
    const at = Math.max(0, Math.min(rows.length - 1, to))
    const [from, until] = [Math.min(this.anchor, at), Math.max(this.anchor, at) + 1]
    this.active.value = at
    this.choose(rows.slice(from, until))
  }

  /** Take one row to those that are chosen, or out of them. */
  toggle(at: number): void {
    const rows = this.parts.rows.peek()
    const row = rows[at]
    if (!row) return
    const now = rows.filter((each) => this.isChosen(each))
    this.move(at)
    this.choose(now.includes(row) ? now.filter((each) => each !== row) : [...now, row])
  }

  /** Choose all rows of the list, those too that are not here yet; none when they cannot all be had. */
  async all(): Promise<void> {
    const choice = ++this.choices
    this.reading.value = true
    const problem = await this.parts.whole()
    if (choice !== this.choices) return
    this.reading.value = false
    if (problem === '') this.choose(this.parts.rows.peek().filter(({ isGone }) => isGone !== true))
    else this.parts.tell(problem)
  }

  private choose(rows: readonly ObjectRow[]): void {
    this.choices++
    this.reading.value = false
    const { selection, group } = this.parts.interaction
    const [only] = rows
    batch(() => {
      const one = rows.length === 1 && only
      selection.value = one ? only.id : null
      group.value =
        rows.length < 2
          ? null
          : {
              numbers: rows.map(({ number }) => number),
              classNames: rows.map(({ className }) => className),
              layers: rows.map(({ layer }) => layer),
              seen: rows.map(({ revision }) => revision),
            }
    })
  }
}
