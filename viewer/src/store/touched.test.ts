import { describe, expect, it } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { Feature } from '../model/geojson'
import { AnnotationStore } from './annotations'
import { Counts } from './counts'
import { Touched } from './touched'

function numbered(id: string, number: number, className?: string): Feature {
  const feature = featureOf(id, square(0, 0, 10), className, 'l')
  return { ...feature, properties: { ...feature.properties, number } }
}

describe('a touched object', () => {
  it('is drawn elsewhere from its first edit until tiles have been asked for that show it', () => {
    const touched = new Touched()
    touched.begin('a', numbered('a', 4))
    expect(touched.drawnElsewhere(1)).toEqual([4])
    touched.saved('a', numbered('a', 4), 2)
    expect([touched.drawnElsewhere(1), touched.drawnElsewhere(2)]).toEqual([[4], []])
    touched.settle(1)
    expect(touched.has('a')).toBe(true)
    touched.settle(2)
    expect(touched.has('a')).toBe(false)
  })

  it('that is new has a number, and can be hidden, only after it has been saved', () => {
    const touched = new Touched()
    touched.begin('a', null)
    expect(touched.drawnElsewhere(1)).toEqual([])
    touched.saved('a', numbered('a', 9), 2)
    touched.begin('a', numbered('a', 9))
    expect(touched.drawnElsewhere(2)).toEqual([9])
    // Its first form is in the tiles now; the second is not.
    touched.settle(2)
    expect([touched.has('a'), touched.drawnElsewhere(3)]).toEqual([true, [9]])
    touched.saved('a', numbered('a', 9), 4)
    touched.settle(4)
    expect(touched.has('a')).toBe(false)
  })

  it('that was deleted stays hidden until the tiles have forgotten it', () => {
    const touched = new Touched()
    touched.begin('a', numbered('a', 4))
    touched.saved('a', null, 3)
    expect([touched.drawnElsewhere(2), touched.drawnElsewhere(3)]).toEqual([[4], []])
  })

  it('that is none does not make tiles be asked for', () => {
    const touched = new Touched()
    touched.begin('a', null)
    const before = touched.touches.value
    touched.settle(5)
    expect(touched.touches.value).toBe(before)
  })

  it('of an earlier visit is hidden once its number is known', () => {
    const touched = new Touched()
    touched.begin('a', null)
    touched.learn('a', numbered('a', 6))
    touched.learn('never', numbered('never', 7))
    expect(touched.drawnElsewhere(1)).toEqual([6])
  })
})

describe('counts', () => {
  function setUp(): { objects: AnnotationStore; touched: Touched; counts: Counts } {
    const [objects, touched] = [new AnnotationStore(), new Touched()]
    const counts = new Counts(objects, touched)
    counts.tell(
      [
        { className: 'A', layer: 'l', count: 1_000_000 },
        { className: null, layer: 'm', count: 5 },
      ],
      1,
    )
    return { objects, touched, counts }
  }

  it('are by class, by layer and in all', () => {
    const { counts } = setUp()
    expect([counts.ofClass('A'), counts.ofClass(null), counts.ofClass('B')]).toEqual([1_000_000, 5, 0])
    expect([counts.ofLayer('l'), counts.ofLayer('m'), counts.total.value]).toEqual([1_000_000, 5, 1_000_005])
    expect([counts.any.value, counts.state.value]).toEqual([true, 'ready'])
  })

  it('follow an edit at once, and do not take it in twice when tiles have it', () => {
    const { objects, touched, counts } = setUp()
    touched.begin('a', numbered('a', 1, 'A'))
    objects.set(numbered('a', 1, 'B'))
    expect([counts.ofClass('A'), counts.ofClass('B'), counts.total.value]).toEqual([999_999, 1, 1_000_005])
    touched.saved('a', numbered('a', 1, 'B'), 2)
    counts.tell(
      [
        { className: 'A', layer: 'l', count: 999_999 },
        { className: 'B', layer: 'l', count: 1 },
      ],
      2,
    )
    expect([counts.ofClass('A'), counts.ofClass('B')]).toEqual([999_999, 1])
    touched.settle(2)
    expect([counts.ofClass('A'), counts.ofClass('B')]).toEqual([999_999, 1])
  })

  it('know what is new and what is gone', () => {
    const { objects, touched, counts } = setUp()
    touched.begin('new', null)
    objects.set(featureOf('new', square(0, 0, 1), 'A'))
    touched.begin('old', numbered('old', 2, 'A'))
    expect(counts.total.value).toBe(1_000_005)
    objects.remove('new')
    expect(counts.total.value).toBe(1_000_004)
  })

  it('never go back to an older state', () => {
    const { counts } = setUp()
    counts.tell([], 0)
    expect(counts.total.value).toBe(1_000_005)
  })
})
