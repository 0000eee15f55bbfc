import { describe, expect, it } from 'vitest'
import { bytesOf, fingerprintOf, groupScans, nameOf } from './scan-files'

function chosen(...paths: string[]) {
  return paths.map((path) => ({ path, file: new File(['12345'], path.split('/').at(-1) ?? '', { lastModified: 7 }) }))
}

function grouped(...paths: string[]): (string | string[])[] {
  return groupScans(chosen(...paths)).map(({ files, isSet, label }) =>
    isSet ? [label, ...files.map(({ path }) => path)] : (files[0]?.path ?? ''),
  )
}

describe('chosen files', () => {
  it('of one-file formats go alone, also out of a folder', () => {
    expect(grouped('a.svs', 'b.TIFF', 'batch/c.ndpi', 'batch/deep/d.svs')).toEqual([
      'a.svs',
      'b.TIFF',
      'batch/c.ndpi',
      'batch/deep/d.svs',
    ])
  })

  it('of a MIRAX scan go with their folder', () => {
    expect(grouped('one.mrxs', 'one/Slidedat.ini', 'one/Data0000.dat', 'two.svs')).toEqual([
      'two.svs',
      ['one', 'one/Slidedat.ini', 'one/Data0000.dat', 'one.mrxs'],
    ])
  })

  it('of a Zarr folder and of a DICOM series go as sets, without litter', () => {
    expect(grouped('x.zarr/.zattrs', 'x.zarr/0/c/0', 'x.zarr/.DS_Store', '1.dcm', '2.dcm', 'IMG0003')).toEqual([
      ['x.zarr', 'x.zarr/.zattrs', 'x.zarr/0/c/0'],
      ['3 DICOM files', '1.dcm', '2.dcm', 'IMG0003'],
    ])
  })

  it('that are one DICOM file go alone', () => {
    expect(grouped('1.dcm')).toEqual(['1.dcm'])
  })

  it('of an OME-TIFF in several files stay together in their folder', () => {
    expect(grouped('set/a.ome.tif', 'set/b.ome.tif')).toEqual([['set', 'set/a.ome.tif', 'set/b.ome.tif']])
  })
})

describe('a fingerprint', () => {
  const [scan] = groupScans(chosen('a.svs'))
  const [other] = groupScans(chosen('b.svs'))

  it('is the same for the same file and user only, and does not hold the name', () => {
    if (!scan || !other) throw new Error('grouping failed')
    const [again] = groupScans(chosen('a.svs'))
    expect(again && fingerprintOf(again, 'ann')).toBe(fingerprintOf(scan, 'ann'))
    expect(fingerprintOf(scan, 'bob')).not.toBe(fingerprintOf(scan, 'ann'))
    expect(fingerprintOf(other, 'ann')).not.toBe(fingerprintOf(scan, 'ann'))
    expect(fingerprintOf(scan, 'ann')).toMatch(/^[0-9a-f]{16,}$/)
    expect(bytesOf(scan)).toBe(5)
  })

  it('tells the files of a set apart', () => {
    const names = chosen('s/a', 's/b', 't/a').map(nameOf)
    expect(new Set(names).size).toBe(3)
  })
})
