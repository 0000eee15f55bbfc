import { describe, expect, it } from 'vitest'
import { deletionsOf, type Told } from './deletions'

function told(revision: number, kind: string, ids: readonly string[] | null): Told {
  return { revision, kind, ids, count: ids?.length ?? 500, author: 'a', at: '', layer: 'l', box: null }
}

describe('deletions', () => {
  it('are those of which something has not come back, the newest first', () => {
    const found = deletionsOf([
      told(1, 'created', ['a', 'b', 'c']),
      told(2, 'deleted', ['a', 'b']),
      told(3, 'updated', ['a']),
      told(4, 'deleted', ['c']),
      told(5, 'created', ['c']),
      told(6, 'deleted', null),
    ])
    expect(found.map(({ revision, ids, count }) => [revision, ids, count])).toEqual([
      [6, null, 500],
      [2, ['b'], 1],
    ])
  })

  it('name an object once that was deleted twice', () => {
    const found = deletionsOf([told(1, 'deleted', ['a']), told(2, 'updated', ['a']), told(3, 'deleted', ['a'])])
    expect(found.map(({ revision }) => revision)).toEqual([3])
  })
})
