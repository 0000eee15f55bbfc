import type { JSX } from 'preact'
import { sortedAs } from '../../model/object-row'
import type { ObjectTable } from '../../store/object-table'
import { Icon } from '../icons'
import { COLUMNS, type Column } from './columns'

/** The heads of the columns; those that the server can sort by are buttons. */
export function ObjectHead({ table }: { table: ObjectTable }): JSX.Element {
  const head = ({ name, sort, isNumber }: Column): JSX.Element => {
    const look = isNumber ? 'object-cell object-number' : 'object-cell'
    if (!sort) {
      return (
        <span key={name} class={look} role="columnheader">
          {name}
        </span>
      )
    }
    const sorted = sortedAs(table.order.value, sort)
    return (
      <span key={name} class={look} role="columnheader" aria-sort={sorted}>
        <button type="button" data-testid={`sort-${sort}`} onClick={() => table.sortBy(sort)}>
          {name}
          {sorted !== 'none' && <Icon name={sorted === 'ascending' ? 'fold-up' : 'fold-down'} size={12} />}
        </button>
      </span>
    )
  }
  return (
    <div role="rowgroup" class="object-head">
      <div role="row" class="object-row" aria-rowindex={1}>
        {COLUMNS.map(head)}
      </div>
    </div>
  )
}
