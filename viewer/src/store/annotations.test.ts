import { describe, expect, it } from 'vitest'
import { featureOf, square } from '../../test/features'
import { AnnotationStore } from './annotations'

const all = (): boolean => true

describe('the object store', () => {
  it('finds objects where they are, also after they have moved', () => {
    const store = new AnnotationStore()
    store.set(featureOf('a', square(0, 0, 10)))
    store.set(featureOf('b', square(100, 100, 10)))
    store.set(featureOf('a', square(200, 200, 10)))
    expect(store.hit([5, 5], 1, all)).toBeNull()
    expect(store.hit([205, 205], 1, all)?.id).toBe('a')
    expect(store.size).toBe(2)
  })

  it('lets go of all but what is to be kept', () => {
    const store = new AnnotationStore()
    for (const id of ['mine', 'old', 'older']) store.set(featureOf(id, square(0, 0, 1)))
    const before = store.version.value
    store.prune((id) => id === 'mine')
    store.prune((id) => id === 'mine')
    expect(store.features().map(({ id }) => id)).toEqual(['mine'])
    expect(store.version.value - before).toBe(1)
    expect(store.hit([0.5, 0.5], 0, ({ id }) => id !== 'mine')).toBeNull()
  })

  it('finds objects by their number on the slide', () => {
    const store = new AnnotationStore()
    const a = featureOf('a', square(0, 0, 1))
    store.set({ ...a, properties: { number: 12 } })
    store.set(featureOf('new', square(0, 0, 1)))
    expect([store.byNumber(12)?.id, store.byNumber(1)]).toEqual(['a', undefined])
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

  it('tells of every change', () => {
    const store = new AnnotationStore()
    const before = store.version.value
    store.set(featureOf('a', square(0, 0, 1)))
    store.remove('a')
    store.remove('a')
    expect(store.version.value - before).toBe(2)
  })
})
