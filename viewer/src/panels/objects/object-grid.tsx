import { useSignal } from '@preact/signals'
import type { JSX, TargetedKeyboardEvent, TargetedMouseEvent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { ObjectRow } from '../../model/object-row'
import { rowWindow, scrollToRow } from '../../model/window'
import type { Workspace } from '../../store/workspace'
import { COLUMNS } from './columns'
import { ObjectHead } from './object-head'

/** Rows are read on when so few of them are left below. */
const READ_AHEAD = 100

/** Height of a row in CSS pixels: a finger needs more of it. */
function rowHeight(): number {
  return window.matchMedia('(max-width: 720px)').matches ? 40 : 28
}

/** Where a key leads from a row; null when it leads nowhere. */
function target(key: string, at: number, page: number, last: number): number | null {
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: last,
  }
  return steps[key] ?? null
}

/**
 * The rows, of which only those in sight are in the page. Elements of a table cannot be laid out so, therefore roles say
 * what they are; the grid alone has the focus, takes the keys, and names the active row.
 */
export function ObjectGrid({ workspace }: { workspace: Workspace }): JSX.Element {
  const { table, tableChoice: choice } = workspace
  const scroller = useRef<HTMLDivElement>(null)
  const [top, height, row] = [useSignal(0), useSignal(400), rowHeight()]
  const rows = table.rows.value
  const { from, to } = rowWindow(rows.length, row, top.value, height.value)
  const active = Math.min(choice.active.value, rows.length - 1)

  useEffect(() => {
    const element = scroller.current
    if (!element) return
    const observer = new ResizeObserver(() => {
      height.value = element.clientHeight
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  useEffect(() => {
    if (to > rows.length - READ_AHEAD) void table.more()
  }, [to, rows.length])

  const show = (at: number): void => {
    const element = scroller.current
    if (element) element.scrollTop = scrollToRow(at, row, element.scrollTop, element.clientHeight - row)
  }
  const step = (next: number | null, isRange: boolean): boolean => {
    if (next === null) return false
    if (isRange) choice.extend(next)
    else choice.move(next)
    show(choice.active.peek())
    return true
  }
  const act = (event: TargetedKeyboardEvent<HTMLDivElement>): boolean => {
    if (event.target instanceof HTMLButtonElement) return false
    const all = event.key === 'a' && (event.ctrlKey || event.metaKey)
    if (event.key === 'Enter') void choice.pick(active)
    else if (event.key === ' ') choice.toggle(active)
    else if (all) void choice.all()
    else {
      const page = Math.max(1, Math.floor(height.value / row) - 1)
      return step(target(event.key, active, page, rows.length - 1), event.shiftKey)
    }
    return true
  }
  const press = (event: TargetedMouseEvent<HTMLDivElement>, at: number): void => {
    if (event.shiftKey) choice.extend(at)
    else if (event.ctrlKey || event.metaKey) choice.toggle(at)
    else void choice.pick(at)
  }

  const waiting = workspace.groups.view.now.value
  const line = (listed: ObjectRow, index: number): JSX.Element => {
    const at = from + index
    const wanted = waiting.get(listed.number)
    const isGone = wanted && 'isDeleted' in wanted ? wanted.isDeleted : listed.isGone === true
    const each = wanted && !('isDeleted' in wanted) ? { ...listed, ...wanted } : listed
    const look = `object-row${at === active ? ' object-active' : ''}${isGone ? ' object-gone' : ''}`
    return (
      <div
        key={each.number}
        id={`object-${each.number}`}
        role="row"
        class={look}
        aria-rowindex={at + 2}
        aria-selected={choice.isChosen(each)}
        data-testid="object-row"
        data-number={each.number}
        style={{ top: `${at * row}px`, height: `${row}px` }}
        onClick={(event) => press(event, at)}
      >
        {COLUMNS.map(({ name, cell, isNumber }) => (
          <span key={name} role="gridcell" class={isNumber ? 'object-cell object-number' : 'object-cell'}>
            {cell(each, workspace)}
          </span>
        ))}
      </div>
    )
  }

  const activeRow = active >= from && active < to ? rows[active] : undefined
  return (
    <div
      ref={scroller}
      class={table.state.value === 'failed' || table.isOther.value ? 'object-grid object-old' : 'object-grid'}
      role="grid"
      tabIndex={0}
      aria-label="Objects"
      aria-rowcount={(table.total.value ?? rows.length) + 1}
      aria-colcount={COLUMNS.length}
      aria-multiselectable="true"
      aria-busy={table.state.value === 'loading'}
      {...(activeRow ? { 'aria-activedescendant': `object-${activeRow.number}` } : {})}
      data-testid="object-grid"
      onScroll={(event) => {
        top.value = event.currentTarget.scrollTop
      }}
      onKeyDown={(event) => {
        if (!act(event)) return
        event.preventDefault()
        event.stopPropagation()
      }}
    >
      <ObjectHead table={table} />
      <div role="rowgroup" class="object-body" style={{ height: `${rows.length * row}px` }}>
        {rows.slice(from, to).map(line)}
      </div>
    </div>
  )
}
