import { VectorTile, type VectorTileFeature } from '@mapbox/vector-tile'
import { PbfReader } from 'pbf'
import { describe, expect, it } from 'vitest'
import { ring, type TileFeature, writeTile } from '../../test/vector-tile'
import { decodeTile } from './mvt'
import { nameOf, type ObjectTile } from './object-tile'

const OBJECTS: readonly TileFeature[] = [
  { id: 7, type: 3, paths: [ring(10, 20, 100)], tags: { class: 'Tumour', layer: 'Cells' } },
  { id: 2 ** 40 + 3, type: 3, paths: [ring(-256, -256, 4608), ring(500, 600, 70).reverse()], tags: { layer: 'rk' } },
  {
    id: 9,
    type: 2,
    paths: [
      [
        [0, 0],
        [4095, 17],
        [-3, 4200],
      ],
    ],
    tags: { class: 'Gefäß', layer: 'rk' },
  },
  { id: 12, type: 1, paths: [[[5, 6]], [[70, 80]]], tags: { class: 'Tumour', layer: 'rk', state: 'approved' } },
  { id: 13, type: 3, paths: [ring(1, 1, 9)], tags: { layer: 'rk', exhaustive: true } },
]
const BINS: readonly TileFeature[] = [
  { type: 1, paths: [[[32, 96]]], tags: { class: 'Tumour', layer: 'Cells', count: 3 } },
  { type: 1, paths: [[[32, 96]], [[4064, 96]], [[160, 288]]], tags: { layer: 'Cells', count: 70_000 } },
]

/** Paths of one object, as [x, y] pairs. */
function pathsOf(tile: ObjectTile, index: number): number[][][] {
  const paths: number[][][] = []
  for (let path = tile.firstPath[index] as number; path < (tile.firstPath[index + 1] as number); path++) {
    const [from, to] = [tile.firstVertex[path] as number, tile.firstVertex[path + 1] as number]
    paths.push(
      Array.from({ length: to - from }, (_, n) => [...tile.vertices.slice(2 * (from + n), 2 * (from + n) + 2)]),
    )
  }
  return paths
}

/** The other reader repeats the first point of a ring, and has points in one list. */
function theirPaths(feature: VectorTileFeature | undefined): number[][][] {
  const paths = feature?.loadGeometry().map((path) => path.map(({ x, y }) => [x, y])) ?? []
  if (feature?.type === 1) return paths.flat().map((point) => [point])
  return feature?.type === 3 ? paths.map((path) => path.slice(0, -1)) : paths
}

describe.each([false, true])('a vector tile (keys first: %s)', (keysFirst) => {
  const bytes = writeTile({ objects: OBJECTS, density: BINS, other: OBJECTS }, { keysFirst })
  const tile = decodeTile(bytes)

  it('is read as another reader reads it', () => {
    const layer = new VectorTile(new PbfReader(bytes)).layers.objects
    const features = Array.from({ length: layer?.length ?? 0 }, (_, index) => layer?.feature(index))
    expect([...tile.numbers]).toEqual(features.map((feature) => feature?.id))
    expect([...tile.kinds]).toEqual(features.map((feature) => feature?.type))
    const named = (indices: Uint16Array): (string | null)[] => [...indices].map((index) => nameOf(tile, index))
    expect(named(tile.classes)).toEqual(features.map((feature) => feature?.properties.class ?? null))
    expect(named(tile.layers)).toEqual(features.map((feature) => feature?.properties.layer ?? null))
    expect([...tile.exhaustive]).toEqual(features.map((feature) => Number(feature?.properties.exhaustive ?? 0)))
    expect([...tile.boxes]).toEqual(features.flatMap((feature) => feature?.bbox() ?? []))
    expect(features.map((_, index) => pathsOf(tile, index))).toEqual(features.map((feature) => theirPaths(feature)))
  })

  it('has its bins', () => {
    const { xs, ys, counts, classes } = tile.density
    expect([[...xs], [...ys], [...counts]]).toEqual([
      [32, 32, 4064, 160],
      [96, 96, 96, 288],
      [3, 70_000, 70_000, 70_000],
    ])
    expect([...classes].map((index) => nameOf(tile, index))).toEqual(['Tumour', null, null, null])
  })

  it('counts the bytes that it takes', () => {
    const arrays = [tile, tile.density]
      .flatMap((part) => Object.values(part))
      .filter((part) => ArrayBuffer.isView(part))
    const bytesHeld = arrays.reduce((sum, array) => sum + array.byteLength, 0)
    expect(tile.byteLength).toBeGreaterThanOrEqual(bytesHeld)
  })
})

describe('a tile', () => {
  it('without anything is empty', () => {
    const tile = decodeTile(new ArrayBuffer(0))
    expect([tile.numbers.length, tile.density.counts.length, [...tile.firstPath]]).toEqual([0, 0, [0]])
  })

  it('with steps out of all bounds is cut to what its numbers hold', () => {
    const far: TileFeature = { id: 1, type: 1, paths: [[[2_000_000, -2_000_000]]], tags: { layer: 'x' } }
    expect([...decodeTile(writeTile({ objects: [far] })).vertices]).toEqual([32_767, -32_767])
  })

  it('that was cut off is an error, not a tile with less', () => {
    const bytes = writeTile({ objects: OBJECTS })
    expect(() => decodeTile(bytes.slice(0, bytes.byteLength / 2))).toThrow()
  })
})
