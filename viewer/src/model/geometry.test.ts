import { describe, expect, it } from 'vitest'
import { type Geometry, pathsOf, withPath } from './geojson'
import { areaOf, boundsOf, boxesMeet, hits, holeCount, perimeterOf, vertexCount } from './geometry'

const star: Geometry = {
  type: 'Polygon',
  coordinates: [
    [
      [10, 0],
      [12.5, 7],
      [20, 7.25],
      [14, 12],
      [16, 19.5],
      [10, 15],
      [4, 19.5],
      [6, 12],
      [0, 7.25],
      [7.5, 7],
      [10, 0],
    ],
  ],
}
/** One hole runs the other way round than the shell, the other the same way. */
const holes: Geometry = {
  type: 'Polygon',
  coordinates: [
    [
      [600, 700],
      [1300, 600],
      [1600, 1300],
      [1200, 1900],
      [500, 1600],
      [600, 700],
    ],
    [
      [900, 1000],
      [900, 1300],
      [1200, 1300],
      [1200, 1000],
      [900, 1000],
    ],
    [
      [1000, 1400],
      [1100, 1400],
      [1050, 1500],
      [1000, 1400],
    ],
  ],
}
const multi: Geometry = {
  type: 'MultiPolygon',
  coordinates: [
    [
      [
        [0, 0],
        [10, 0],
        [10, 10],
        [0, 10],
        [0, 0],
      ],
      [
        [2, 2],
        [4, 2],
        [4, 4],
        [2, 4],
        [2, 2],
      ],
    ],
    [
      [
        [20, 20],
        [25, 20],
        [22.5, 26.5],
        [20, 20],
      ],
    ],
  ],
}
const line: Geometry = {
  type: 'LineString',
  coordinates: [
    [0, 0],
    [3, 4],
    [10.5, 4],
  ],
}
const mpp = { x: 0.25, y: 0.5 }

describe('area and perimeter', () => {
  // Shapely 2 gave these for the same coordinates, and for the same ones scaled by 0.25 and 0.5.
  it.each([
    ['star', star, 135.125, 75.70380232839612, 16.890625, 29.46180657322499],
    ['two holes', holes, 915000, 5380.516969015847, 114375, 2115.436201336522],
    ['two parts', multi, 112.25, 66.92838827718413, 14.03125, 25.869101147436865],
    ['line', line, 0, 12.5, 0, 4.011000936329383],
  ])('of a %s equal those of shapely', (_, geometry, area, perimeter, um2, um) => {
    expect(areaOf(geometry)).toBeCloseTo(area, 9)
    expect(perimeterOf(geometry)).toBeCloseTo(perimeter, 9)
    expect(areaOf(geometry, mpp)).toBeCloseTo(um2, 9)
    expect(perimeterOf(geometry, mpp)).toBeCloseTo(um, 9)
  })

  it('stay exact far from the origin', () => {
    const far: Geometry = {
      type: 'Polygon',
      coordinates: [
        [
          [1e6, 2e6],
          [1e6 + 3.25, 2e6 + 0.25],
          [1e6 + 2, 2e6 + 2.5],
          [1e6, 2e6],
        ],
      ],
    }
    expect(areaOf(far)).toBe((3.25 * 2.5 - 2 * 0.25) / 2)
  })

  it('add up over the parts of a collection', () => {
    const collection: Geometry = { type: 'GeometryCollection', geometries: [star, line] }
    expect(areaOf(collection)).toBeCloseTo(135.125, 9)
    expect(perimeterOf(collection)).toBeCloseTo(75.70380232839612 + 12.5, 9)
  })
})

describe('counts and boxes', () => {
  it('count each vertex once', () => {
    expect(vertexCount(star)).toBe(10)
    expect(vertexCount(multi)).toBe(11)
    expect(vertexCount(line)).toBe(3)
    expect(vertexCount({ type: 'Point', coordinates: [1, 2] })).toBe(1)
  })

  it('count holes', () => {
    expect([star, holes, multi, line].map(holeCount)).toEqual([0, 2, 1, 0])
  })

  it('bound geometries', () => {
    expect(boundsOf(star)).toEqual([0, 0, 20, 19.5])
    expect(boundsOf({ type: 'MultiPoint', coordinates: [] })).toEqual([Infinity, Infinity, -Infinity, -Infinity])
  })

  it('compare boxes', () => {
    expect(boxesMeet([0, 0, 1, 1], [1, 1, 2, 2])).toBe(true)
    expect(boxesMeet([0, 0, 1, 1], [1.1, 0, 2, 2])).toBe(false)
  })
})

describe('hits', () => {
  it('are inside, but not in holes unless near their edge', () => {
    expect(hits(holes, [700, 900], 0)).toBe(true)
    expect(hits(holes, [1050, 1150], 5)).toBe(false)
    expect(hits(holes, [905, 1150], 6)).toBe(true)
    expect(hits(holes, [400, 400], 5)).toBe(false)
  })

  it('are near lines and points', () => {
    expect(hits(line, [7, 5], 1)).toBe(true)
    expect(hits(line, [7, 6], 1)).toBe(false)
    expect(hits({ type: 'Point', coordinates: [3, 3] }, [4, 3], 1)).toBe(true)
    expect(hits({ type: 'Point', coordinates: [3, 3] }, [4.1, 3], 1)).toBe(false)
  })
})

describe('paths', () => {
  it.each([star, holes, multi, line])('can each be replaced without touching the others', (geometry) => {
    const paths = pathsOf(geometry)
    paths.forEach((path, index) => {
      const shifted = path.positions.map(([x, y]) => [x + 1, y - 1] as const)
      const changed = pathsOf(withPath(geometry, index, shifted))
      expect(changed).toHaveLength(paths.length)
      changed.forEach((each, at) => {
        if (at === index) expect(each.positions).toEqual(shifted)
        else expect(each.positions).toBe(paths[at]?.positions)
      })
    })
  })

  it('of points and collections are found again', () => {
    const collection: Geometry = {
      type: 'GeometryCollection',
      geometries: [
        { type: 'Point', coordinates: [1, 2] },
        { type: 'MultiPoint', coordinates: [[3, 4]] },
        { type: 'MultiLineString', coordinates: [line.coordinates] },
      ],
    }
    const moved = withPath(collection, 1, [[7, 8]])
    expect(pathsOf(moved).map(({ positions }) => positions[0])).toEqual([
      [1, 2],
      [7, 8],
      [0, 0],
    ])
  })

  it('keep foreign members of a geometry', () => {
    const plane = { ...star, plane: { z: 3 } }
    expect(withPath(plane, 0, star.coordinates[0] ?? [])).toMatchObject({ plane: { z: 3 } })
  })
})
