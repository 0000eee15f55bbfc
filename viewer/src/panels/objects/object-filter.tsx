import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import { asksForArea } from '../../model/condition'
import type { ObjectTable } from '../../store/object-table'
import { Icon } from '../icons'

/** What narrows the list: a text, a condition, and the screen. Areas are in µm² as in the list, or in px². */
export function ObjectFilter({ table, unit }: { table: ObjectTable; unit: 'µm²' | 'px²' }): JSX.Element {
  const problem = table.problem.value
  const hasArea = asksForArea(table.filter.value)
  const type = (into: Signal<string>) => (event: { currentTarget: HTMLInputElement }) => {
    into.value = event.currentTarget.value
  }
  return (
    <search class="object-filter" aria-label="Narrow the list">
      <label class="object-search">
        <Icon name="search" size={14} />
        <input
          type="search"
          aria-label="Text in the properties"
          placeholder="Find text…"
          maxLength={200}
          value={table.text.value}
          onInput={type(table.text)}
        />
      </label>
      <label class="object-near">
        <input
          type="checkbox"
          data-testid="on-screen"
          checked={table.onScreen.value}
          onChange={(event) => {
            table.onScreen.value = event.currentTarget.checked
          }}
        />
        On the screen only
      </label>
      <input
        class="object-condition"
        aria-label="Condition"
        aria-describedby={hasArea ? 'condition-unit condition-note' : 'condition-note'}
        aria-invalid={problem !== '' && table.filter.value !== ''}
        placeholder="Condition, such as  class = 'Tumor' AND area > 400"
        title={`Names: class, layer, author, state, score, area (${unit}), number, measurements."NAME"`}
        spellcheck={false}
        autocomplete="off"
        maxLength={4000}
        data-testid="object-condition"
        value={table.filter.value}
        onInput={type(table.filter)}
      />
      {hasArea && (
        <p id="condition-unit" class="quiet object-unit" data-testid="object-unit">
          area counts in {unit}
        </p>
      )}
      <div id="condition-note" class="object-problem" aria-live="assertive">
        {problem !== '' && (
          <p class="note note-bad" data-testid="object-problem">
            {problem}{' '}
            <button type="button" class="link" onClick={() => void table.renew()}>
              Try again
            </button>
          </p>
        )}
      </div>
    </search>
  )
}
