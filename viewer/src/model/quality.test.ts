import { describe, expect, it } from 'vitest'
import { badgesOf, formatShare, type Hint, hintLabel, hintsOf } from './quality'

function hint(kind: string): Hint {
  return { kind, share: null, boxes: [], sentence: `About ${kind}.` }
}

function judged(...kinds: string[]) {
  return { mpp_x: 0.25, mpp_plausible: true, quality: { tissue_share: 0.5, focus: 1, hints: kinds.map(hint) } }
}

describe('hints', () => {
  it('are those that the server found', () => {
    expect(hintsOf(judged('pen', 'blur')).map(({ kind }) => kind)).toEqual(['pen', 'blur'])
    expect(hintsOf({ mpp_x: 0.25, mpp_plausible: true, quality: null })).toEqual([])
  })

  it('tell of an implausible pixel size also before the pixels were judged, but once', () => {
    const doubtful = { mpp_x: 800_000, mpp_plausible: false }
    expect(hintsOf(doubtful).map(({ kind }) => kind)).toEqual(['mpp-implausible'])
    const both = { ...doubtful, quality: judged('mpp-implausible').quality }
    expect(hintsOf(both).map(({ sentence }) => sentence)).toEqual(['About mpp-implausible.'])
  })

  it('do not call an unknown pixel size implausible', () => {
    expect(hintsOf({ mpp_x: null, mpp_plausible: false })).toEqual([])
  })

  it('of a missing pixel size take no room on cards', () => {
    expect(badgesOf(judged('mpp-missing', 'fold')).map(({ kind }) => kind)).toEqual(['fold'])
  })

  it('have names, also those of a newer server', () => {
    expect([hintLabel('blur'), hintLabel('air-bubbles')]).toEqual(['out of focus', 'air bubbles'])
  })
})

it('writes shares as people read them', () => {
  expect([0, 0.004, 0.014, 0.256, 1].map(formatShare)).toEqual(['0 %', '< 1 %', '1 %', '26 %', '100 %'])
})
