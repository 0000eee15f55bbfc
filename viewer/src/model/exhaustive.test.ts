import { describe, expect, it } from 'vitest'
import { featureOf, square } from '../../test/features'
import { sameContent } from './content'
import { canBeExhaustive, exhaustiveOf } from './exhaustive'
import type { Feature } from './geojson'

function marked(exhaustive: unknown): Feature {
  const feature = featureOf('a', square(0, 0, 5))
  return { ...feature, properties: { ...feature.properties, exhaustive } }
}

describe('an exhaustively annotated area', () => {
  it.each([
    [undefined, false],
    [false, false],
    [true, true],
    [[], false],
    [
      ['A', 'B'],
      ['A', 'B'],
    ],
    ['yes', false],
  ])('marked with %j is %j', (given, expected) => {
    expect(exhaustiveOf(marked(given))).toEqual(expected)
  })

  it('is another content than the same outline without the mark', () => {
    expect(sameContent(marked(true), marked(undefined))).toBe(false)
    expect(sameContent(marked(['A']), marked(['B']))).toBe(false)
    expect(sameContent(marked(false), marked(undefined))).toBe(true)
  })

  it('has an area', () => {
    expect(canBeExhaustive(marked(undefined))).toBe(true)
    expect(canBeExhaustive(featureOf('p', { type: 'Point', coordinates: [0, 0] }))).toBe(false)
  })
})

describe('a review state', () => {
  it('is part of the content, draft being the one without a name', () => {
    const feature = featureOf('a', square(0, 0, 5))
    const inState = (state: string): Feature => ({ ...feature, properties: { state } })
    expect(sameContent(feature, inState('draft'))).toBe(true)
    expect(sameContent(feature, inState('approved'))).toBe(false)
  })
})
