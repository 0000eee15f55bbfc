import { describe, expect, it } from 'vitest'
import { newClass, usedFirst } from './annotation-class'

describe('classes to show at once', () => {
  const many = Array.from({ length: 30 }, (_, n) => newClass(`c${n}`, []))

  it('are those in use, in their order', () => {
    const { used, others } = usedFirst(many, (name) => ['c20', 'c3'].includes(name))
    expect(used.map(({ name }) => name)).toEqual(['c3', 'c20'])
    expect(others).toHaveLength(28)
  })

  it('are all where there are few', () => {
    expect(usedFirst(many.slice(0, 9), () => false)).toEqual({ used: many.slice(0, 9), others: [] })
  })
})
