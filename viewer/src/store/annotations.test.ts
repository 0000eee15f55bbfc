import { describe, expect, it } from 'vitest'
import { featureOf, square } from '../../test/features'
import { AnnotationStore } from './annotations'

const all = (): boolean => true

describe('the object store', () => {
  it('finds objects by box, also after they have moved', () => {
    const store = new AnnotationStore()
    store.set(featureOf('a', square(0, 0, 10)))
    store.set(featureOf('b', square(100, 100, 10)))
    store.set(featureOf('a', square(200, 200, 10)))
    expect(store.search([0, 0, 50, 50])).toEqual([])
    expect(store.search([190, 190, 205, 205]).map(({ id }) => id)).toEqual(['a'])
    expect(store.size).toBe(2)
  })

  it('counts per class through every change', () => {
    const store = new AnnotationStore()
    store.replaceAll([featureOf('a', square(0, 0, 1), 'X'), featureOf('b', square(0, 0, 1))], all)
    store.set(featureOf('a', square(0, 0, 1), 'Y'))
    store.set(featureOf('c', square(0, 0, 1), 'Y'))
    store.remove('b')
    store.remove('never')
    expect([store.countOf('X'), store.countOf('Y'), store.countOf(null)]).toEqual([0, 2, 0])
  })

  it('replaces all but what is to be kept, which wins over what comes', () => {
    const store = new AnnotationStore()
    store.set(featureOf('mine', square(0, 0, 1)))
    store.set(featureOf('old', square(0, 0, 1)))
    store.replaceAll([featureOf('mine', square(50, 50, 1)), featureOf('new', square(5, 5, 1))], (id) => id === 'mine')
    expect(store.features().map(({ id }) => id)).toEqual(['mine', 'new'])
    expect(store.search([0, 0, 1, 1]).map(({ id }) => id)).toEqual(['mine'])
  })

  it('hits the smallest of several, and only what is visible', () => {
    const store = new AnnotationStore()
    store.set(featureOf('large', square(0, 0, 100)))
    store.set(featureOf('small', square(40, 40, 10)))
    expect(store.hit([45, 45], 1, all)?.id).toBe('small')
    expect(store.hit([45, 45], 1, ({ id }) => id !== 'small')?.id).toBe('large')
    expect(store.hit([104, 50], 5, all)?.id).toBe('large')
    expect(store.hit([106, 50], 5, all)).toBeNull()
  })

  it('lists objects row by row, left to right', () => {
    const store = new AnnotationStore()
    store.replaceAll(
      [featureOf('3', square(10, 55, 5)), featureOf('2', square(70, 3, 5)), featureOf('1', square(20, 6, 5))],
      () => false,
    )
    expect(store.inReadingOrder([0, 0, 100, 100], all).map(({ id }) => id)).toEqual(['1', '2', '3'])
    expect(store.inReadingOrder([0, 0, 50, 50], all).map(({ id }) => id)).toEqual(['1'])
  })

  it('tells of every change', () => {
    const store = new AnnotationStore()
    const before = store.version.value
    store.set(featureOf('a', square(0, 0, 1)))
    store.remove('a')
    store.remove('a')
    expect(store.version.value - before).toBe(2)
  })
})
