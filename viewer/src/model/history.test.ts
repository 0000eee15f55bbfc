import { describe, expect, it } from 'vitest'
import { featureOf, square } from '../../test/features'
import type { FeatureProperties, Geometry } from './geojson'
import { historySteps, type Version } from './history'

function version(
  revision: number,
  properties: Partial<FeatureProperties> = {},
  geometry: Geometry = square(0, 0, 5),
  deleted = false,
): Version {
  const provenance = { updated: `2026-01-0${revision}T00:00:00Z` }
  const own = { state: 'draft', author: `reader ${revision}`, revision, provenance, layer: 'l', ...properties }
  return { ...featureOf('a', geometry), properties: own, deleted }
}

describe('the history of an object', () => {
  it('says of each version who changed what and when, the newest first', () => {
    const named = { classification: { name: 'Tumour' } }
    const steps = historySteps([
      version(1),
      version(2, named),
      version(3, { ...named, state: 'approved' }, square(0, 0, 6)),
      version(4, { ...named, state: 'approved', exhaustive: ['Tumour'] }, square(0, 0, 6)),
      version(5, { ...named, state: 'approved', exhaustive: ['Tumour'] }, square(0, 0, 6), true),
      version(6, { ...named, state: 'approved', exhaustive: ['Tumour'] }, square(0, 0, 6)),
      version(7, { ...named, state: 'approved', exhaustive: ['Tumour'], note: 'x' }, square(0, 0, 6)),
    ])
    expect(steps.map(({ what }) => what)).toEqual([
      'properties',
      'brought back',
      'deleted',
      'exhaustive area',
      'state draft → approved, outline',
      'class none → Tumour',
      'drawn',
    ])
    expect(steps[0]).toMatchObject({ revision: 7, author: 'reader 7', at: '2026-01-07T00:00:00Z', isDeleted: false })
    expect(steps[2]).toMatchObject({ revision: 5, isDeleted: true })
    expect('deleted' in (steps[2]?.feature ?? {})).toBe(false)
  })

  it('takes members in another order for the same', () => {
    const steps = historySteps([version(1, { a: 1, b: 2 }), version(2, { b: 2, a: 1 })])
    expect(steps[0]?.what).toBe('nothing')
  })
})
