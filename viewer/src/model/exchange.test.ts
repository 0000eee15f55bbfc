import { describe, expect, it } from 'vitest'
import {
  assumedText,
  betterFit,
  fitText,
  frameText,
  type ImportReport,
  NO_FRAME,
  problemText,
  statedOf,
  thereText,
} from './exchange'
import { formatNote } from './format-notes'

const report: ImportReport = {
  format: 'qupath',
  layer: 'l',
  revision: 3,
  read: 2,
  created: 2,
  there_already: 0,
  there_already_elsewhere: [],
  replaced: 0,
  made_ids: 0,
  outside_slide: 0,
  conflicts: [],
  conflicts_count: 0,
  repaired: [],
  repaired_count: 0,
  refused: [],
  refused_count: 0,
  losses: [],
  frame: { origin: 'slide', unit: 'px' },
  assumed: ['format', 'origin', 'unit'],
  fit: [],
}

describe('what is stated', () => {
  it('goes into the question, and nothing else', () => {
    expect(statedOf({ ...NO_FRAME, format: 'coco', layer: ' ' }).toString()).toBe('format=coco')
  })

  it('repeats options', () => {
    expect(statedOf({ ...NO_FRAME, option: 'image=3; rater = 2;' }).getAll('option')).toEqual(['image=3', 'rater = 2'])
  })
})

describe('the report', () => {
  it('says what was assumed', () => {
    expect(assumedText(report, 'QuPath GeoJSON')).toBe(
      'Assumed that it is QuPath GeoJSON and that its coordinates are pixels from the corner of the slide.',
    )
    expect(assumedText({ ...report, assumed: [] }, '')).toBe('')
    expect(frameText({ origin: null, unit: null })).toBe('as the file itself says')
  })

  it('says where those are that were there already', () => {
    expect(thereText(report)).toBe('')
    const there = { ...report, read: 9, there_already: 4, layer: 'cells' }
    expect(thereText(there)).toBe('4 features are on the slide already, with the same id and content.')
    expect(thereText({ ...there, there_already_elsewhere: [{ layer: 'old', count: 3 }] })).toBe(
      '4 features are on the slide already, with the same id and content: 1 in “cells”, 3 in “old”. ' +
        'What lies in other layers stays there, and is not copied into “cells”.',
    )
    const all = [
      { layer: 'old', count: 8 },
      { layer: 'ana', count: 1 },
    ]
    expect(thereText({ ...there, there_already: 9, there_already_elsewhere: all })).toContain(
      'Everything in the file is on the slide already, with the same id and content: 8 in “old”, 1 in “ana”.',
    )
  })

  it('names a frame that fits clearly better, and none that does not', () => {
    const lies = (origin: string, on_slide: number) => ({ origin, unit: 'px', on_slide, on_tissue: null })
    expect(betterFit({ ...report, fit: [lies('slide', 0.2), lies('bounds', 0.9)] })?.origin).toBe('bounds')
    expect(betterFit({ ...report, fit: [lies('slide', 0.9), lies('bounds', 0.95)] })).toBeNull()
    expect(betterFit({ ...report, fit: [] })).toBeNull()
  })

  it('says why another frame fits better by what it is better at', () => {
    const lies = (unit: string, on_slide: number, on_tissue: number | null) => ({
      origin: 'slide',
      unit,
      on_slide,
      on_tissue,
    })
    const said = (...fit: ReturnType<typeof lies>[]): string => {
      const told = { ...report, frame: { ...report.frame, origin: 'slide', unit: 'px' }, fit }
      const better = betterFit(told)
      return better ? fitText(told, better) : ''
    }
    expect(said(lies('px', 0.2, null), lies('um', 0.9, null))).toBe(
      'Only 20 % of its vertices lie on the slide. Read as micrometres from the corner of the slide it would be 90 %',
    )
    expect(said(lies('px', 1, 0.4), lies('um', 1, 0.95))).toBe(
      'Only 40 % of its vertices lie on tissue. Read as micrometres from the corner of the slide it would be 95 %',
    )
  })

  it('speaks of options as the dialog has them', () => {
    expect(problemText('Say which with the option image=ID.')).toBe(
      'Say which with the option image=ID. Options stand under Advanced.',
    )
    expect(problemText('It is no JSON.')).toBe('It is no JSON.')
  })

  it('has a word on formats', () => {
    expect(formatNote('geojson')).toContain('Everything')
    expect(formatNote('unheard-of')).toBe('')
  })
})
