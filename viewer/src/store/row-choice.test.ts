import { signal } from '@preact/signals'
import { describe, expect, it, vi } from 'vitest'
import { featureOf, square } from '../../test/features'
import { type ObjectRow, rowOf } from '../model/object-row'
import { Interaction } from './interaction'
import { RowChoice } from './row-choice'

function choiceOf(count: number) {
  const rows = signal<readonly ObjectRow[]>(
    Array.from({ length: count }, (_, at) => {
      const feature = featureOf(`id ${at}`, square(at, at, 2), 'A')
      return rowOf({ ...feature, properties: { ...feature.properties, number: 10 + at } }, null)
    }),
  )
  const interaction = new Interaction()
  const goTo = vi.fn(async (id: string) => {
    interaction.selection.value = id
  })
  return { choice: new RowChoice({ interaction, rows, goTo }), interaction, rows, goTo }
}

describe('choosing rows', () => {
  it('picks one and shows where it is', async () => {
    const { choice, interaction, rows, goTo } = choiceOf(5)
    interaction.group.value = { numbers: [10, 11], classNames: [null, null], layers: ['', ''], seen: [1, 1] }
    await choice.pick(3)
    expect(goTo).toHaveBeenCalledWith('id 3')
    expect([interaction.group.value, choice.active.value]).toEqual([null, 3])
    expect(rows.value.map((row) => choice.isChosen(row))).toEqual([false, false, false, true, false])
  })

  it('extends a range from where it began, both ways and back', () => {
    const { choice, interaction } = choiceOf(9)
    choice.move(4)
    choice.extend(6)
    expect(interaction.group.value?.numbers).toEqual([14, 15, 16])
    choice.extend(2)
    expect(interaction.group.value?.numbers).toEqual([12, 13, 14])
    choice.extend(4)
    expect([interaction.group.value, interaction.selection.value]).toEqual([null, 'id 4'])
    choice.extend(99)
    expect(interaction.group.value?.numbers).toEqual([14, 15, 16, 17, 18])
  })

  it('takes single rows in and out', () => {
    const { choice, interaction } = choiceOf(5)
    choice.toggle(1)
    expect(interaction.selection.value).toBe('id 1')
    choice.toggle(3)
    expect([interaction.selection.value, interaction.group.value?.numbers]).toEqual([null, [11, 13]])
    choice.toggle(1)
    expect([interaction.selection.value, interaction.group.value]).toEqual(['id 3', null])
    choice.toggle(3)
    expect(interaction.selection.value).toBeNull()
  })

  it('stays within the rows', () => {
    const { choice } = choiceOf(3)
    choice.move(-4)
    expect(choice.active.value).toBe(0)
    choice.move(7)
    expect(choice.active.value).toBe(2)
    choice.all()
    expect(choice.isChosen({ ...rowAt(choice), number: 11 })).toBe(true)
  })
})

function rowAt(_: RowChoice): ObjectRow {
  return rowOf(featureOf('x', square(0, 0, 1)), null)
}
