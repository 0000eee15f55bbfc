import { describe, expect, it } from 'vitest'
import { groupAfter, type Wanted } from './group-edit'
import { classCounts, type Group } from './picked'

const GROUP: Group = {
  numbers: [4, 5, 6],
  classNames: ['A', 'B', null],
  layers: ['l', 'm', 'n'],
  seen: [1, 2, 3],
}

function become(...fates: (readonly [number, Wanted])[]): Group | null {
  return groupAfter(GROUP, new Map(fates))
}

describe('a group after something has become of its members', () => {
  it('has the classes that they have now', () => {
    const group = become([4, { className: 'B' }], [6, { state: 'approved' }], [9, { className: 'C' }])
    expect(group?.classNames).toEqual(['B', 'B', null])
    expect(classCounts(group as Group)).toEqual([
      ['B', 2],
      [null, 1],
    ])
    // Tiles are painted anew for another list of numbers only.
    expect(group?.numbers).toBe(GROUP.numbers)
  })

  it('is the same one when nothing of it is another', () => {
    expect(become([4, { className: 'A' }], [9, { isDeleted: true }], [5, { isDeleted: false }])).toBe(GROUP)
  })

  it('is without what is deleted, and none when that is all', () => {
    expect(become([5, { isDeleted: true }], [6, { className: 'C' }])).toEqual({
      numbers: [4, 6],
      classNames: ['A', 'C'],
      layers: ['l', 'n'],
      seen: [1, 3],
    })
    expect(become([4, { isDeleted: true }], [5, { isDeleted: true }], [6, { isDeleted: true }])).toBeNull()
  })
})
