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
  const [whole, tell] = [vi.fn(async () => ''), vi.fn()]
  return { choice: new RowChoice({ interaction, rows, whole, tell, goTo }), interaction, rows, whole, tell, goTo }
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

  it('stays within the rows', async () => {
    const { choice } = choiceOf(3)
    choice.move(-4)
    expect(choice.active.value).toBe(0)
    choice.move(7)
    expect(choice.active.value).toBe(2)
    await choice.all()
    expect(choice.isChosen({ ...rowAt(choice), number: 11 })).toBe(true)
  })

  it('chooses all of the list, those too that are still to be read, but for what is deleted', async () => {
    const { choice, interaction, rows, whole } = choiceOf(2)
    const more = choiceOf(5).rows.value.map((row, at) => (at === 3 ? { ...row, isGone: true } : row))
    let arrive = (): void => undefined
    whole.mockImplementation(async () => {
      await new Promise<void>((resolve) => {
        arrive = resolve
      })
      rows.value = more
      return ''
    })
    const chosen = choice.all()
    expect([choice.reading.value, interaction.group.value]).toEqual([true, null])
    arrive()
    await chosen
    expect([choice.reading.value, interaction.group.value?.numbers]).toEqual([false, [10, 11, 12, 14]])
  })

  it('chooses none and says why when not all can be had', async () => {
    const { choice, interaction, whole, tell } = choiceOf(3)
    whole.mockResolvedValue('Too many.')
    await choice.all()
    expect([interaction.group.value, choice.reading.value, tell.mock.calls]).toEqual([null, false, [['Too many.']]])
  })

  it('leaves a choice that was made while all were being read', async () => {
    const { choice, interaction, whole } = choiceOf(3)
    let arrive: (problem: string) => void = () => undefined
    whole.mockImplementation(
      () =>
        new Promise((resolve) => {
          arrive = resolve
        }),
    )
    const chosen = choice.all()
    await choice.pick(1)
    arrive('')
    await chosen
    expect([interaction.selection.value, interaction.group.value, choice.reading.value]).toEqual(['id 1', null, false])
  })
})

function rowAt(_: RowChoice): ObjectRow {
  return rowOf(featureOf('x', square(0, 0, 1)), null)
}
