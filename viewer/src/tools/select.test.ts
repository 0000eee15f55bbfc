import { describe, expect, it } from 'vitest'
import { TestViewer } from '../../test/test-viewer'
import { type Geometry, type Position, pathsOf } from '../model/geojson'
import { toScreen } from '../model/view'
import { deleteVertex, HandleIndex, insertVertex, moveVertex } from './handles'

/** A shell of 5 vertices with a hole of 4; the hole's first vertex has a third number. */
const shape: Geometry = {
  type: 'Polygon',
  coordinates: [
    [
      [2800, 1800],
      [3200, 1800],
      [3300, 2000],
      [3200, 2200],
      [2800, 2200],
      [2800, 1800],
    ],
    [
      [2900, 1900, 7],
      [2900, 2000],
      [3000, 2000],
      [3000, 1900],
      [2900, 1900, 7],
    ],
  ],
}

function viewerWith(geometry: Geometry = shape): TestViewer {
  const viewer = new TestViewer('select')
  viewer.add('a', geometry)
  viewer.interaction.selection.value = 'a'
  return viewer
}

function screen(viewer: TestViewer, x: number, y: number): readonly [number, number] {
  return toScreen(viewer.view, [x, y])
}

function ring(geometry: Geometry | undefined, index: number): readonly Position[] {
  return geometry ? (pathsOf(geometry)[index]?.positions ?? []) : []
}

describe('picking', () => {
  it('takes the smallest object under the pointer, and lets go beside all', () => {
    const viewer = viewerWith()
    viewer.add('small', { type: 'Point', coordinates: [3100, 2100] })
    viewer.click(...screen(viewer, 3100, 2100))
    expect(viewer.interaction.selection.value).toBe('small')
    viewer.click(...screen(viewer, 2840, 2100))
    expect(viewer.interaction.selection.value).toBe('a')
    viewer.click(...screen(viewer, 2950, 1950))
    expect(viewer.interaction.selection.value).toBeNull()
  })

  it('names the object under the pointer', () => {
    const viewer = viewerWith()
    viewer.interaction.selection.value = null
    viewer.hover(...screen(viewer, 2840, 2100))
    expect(viewer.interaction.hover.value?.id).toBe('a')
    viewer.toolbox.hover(null)
    expect(viewer.interaction.hover.value).toBeNull()
  })
})

describe('vertices', () => {
  it('go exactly where they are put; nothing else moves', () => {
    const viewer = viewerWith()
    const from = screen(viewer, 3300, 2000)
    viewer.drag([
      [from[0] + 3, from[1] - 2],
      [600, 300],
      [700, 350],
    ])
    const [moved] = viewer.writes
    expect(ring(moved, 0)[2]).toEqual(viewer.l0(700, 350))
    expect(ring(moved, 0).toSpliced(2, 1)).toEqual(ring(shape, 0).toSpliced(2, 1))
    expect(ring(moved, 1)).toBe(ring(shape, 1))
    expect(viewer.interaction.reshape.value).toBeNull()
  })

  it('that begin a ring end it too, with all their numbers', () => {
    const viewer = viewerWith()
    viewer.drag([screen(viewer, 2900, 1900), [440, 380]])
    const hole = ring(viewer.writes[0], 1)
    const [x, y] = viewer.l0(440, 380)
    expect(hole[0]).toEqual([x, y, 7])
    expect(hole.at(-1)).toEqual([x, y, 7])
    expect(hole).toHaveLength(5)
  })

  it('show where they are going, and go back when the stroke is broken off', () => {
    const viewer = viewerWith()
    const start = viewer.input(...screen(viewer, 3300, 2000))
    viewer.toolbox.down(start)
    viewer.toolbox.drag(viewer.input(700, 350))
    expect(ring(viewer.interaction.reshape.value?.geometry, 0)[2]).toEqual(viewer.l0(700, 350))
    viewer.toolbox.cancel()
    expect(viewer.interaction.reshape.value).toBeNull()
    expect(viewer.writes).toEqual([])
  })

  it('are not moved by a press alone', () => {
    const viewer = viewerWith()
    const [px, py] = screen(viewer, 3300, 2000)
    viewer.drag([
      [px, py],
      [px + 2, py + 1],
    ])
    expect(viewer.writes).toEqual([])
    expect(viewer.objects.get('a')?.geometry).toBe(shape)
  })

  it('are added by dragging an edge', () => {
    const viewer = viewerWith()
    viewer.drag([screen(viewer, 2800, 2000), [300, 400]])
    const shell = ring(viewer.writes[0], 0)
    expect(shell).toHaveLength(7)
    expect(shell[5]).toEqual(viewer.l0(300, 400))
    expect(shell.toSpliced(5, 1)).toEqual(ring(shape, 0))
  })

  it('are taken out with Alt, until three are left', () => {
    const viewer = viewerWith()
    const alt = { alt: true }
    viewer.click(...screen(viewer, 2900, 1900), alt)
    expect(ring(viewer.writes[0], 1)).toEqual([
      [2900, 2000],
      [3000, 2000],
      [3000, 1900],
      [2900, 2000],
    ])
    viewer.click(...screen(viewer, 3000, 2000), alt)
    expect(viewer.writes).toHaveLength(1)
    expect(viewer.interaction.selection.value).toBe('a')
  })

  it('of parts of a multi-polygon are found', () => {
    const multi: Geometry = { type: 'MultiPolygon', coordinates: [[ring(shape, 1)], shape.coordinates as Position[][]] }
    const viewer = viewerWith(multi)
    viewer.drag([screen(viewer, 3300, 2000), [700, 350]])
    const [moved] = viewer.writes
    expect(moved?.type === 'MultiPolygon' && moved.coordinates[1]?.[0]?.[2]).toEqual(viewer.l0(700, 350))
    expect(moved?.type === 'MultiPolygon' && moved.coordinates[0]).toBe(multi.coordinates[0])
  })

  it('of points and lines move too', () => {
    const viewer = viewerWith({ type: 'Point', coordinates: [3000, 2000] })
    viewer.drag([screen(viewer, 3000, 2000), [700, 350]])
    expect(viewer.writes).toEqual([{ type: 'Point', coordinates: viewer.l0(700, 350) }])
  })

  it('of what may not be edited are left to panning', () => {
    const viewer = viewerWith()
    viewer.lock('a')
    expect(viewer.drag([screen(viewer, 3300, 2000), [700, 350]])).toBe(false)
  })
})

describe('keys', () => {
  it('break off a stroke, then let go of the object', () => {
    const viewer = viewerWith()
    viewer.toolbox.down(viewer.input(...screen(viewer, 3300, 2000)))
    viewer.toolbox.drag(viewer.input(700, 350))
    expect(viewer.toolbox.key('Escape')).toBe(true)
    viewer.toolbox.up(viewer.input(700, 350))
    expect(viewer.writes).toEqual([])
    expect(viewer.interaction.selection.value).toBe('a')
    expect(viewer.toolbox.key('Escape')).toBe(true)
    expect(viewer.interaction.selection.value).toBeNull()
    expect(viewer.toolbox.key('Escape')).toBe(false)
  })
})

describe('handles', () => {
  it('prefer vertices to edges and the near to the far', () => {
    const index = new HandleIndex(shape)
    expect(index.at([3195, 1802], 9, 6)).toEqual({ kind: 'vertex', path: 0, index: 1 })
    expect(index.at([3000, 1803], 9, 6)).toEqual({ kind: 'edge', path: 0, index: 0 })
    expect(index.at([3000, 1820], 9, 6)).toBeNull()
  })

  it('find their place among 100,000 vertices as brute force does', () => {
    const many = Array.from({ length: 100_000 }, (_, i): Position => {
      const angle = (i / 100_000) * 2 * Math.PI
      return [5000 + 4000 * Math.cos(angle), 5000 + 4000 * Math.sin(angle)]
    })
    const index = new HandleIndex({ type: 'Polygon', coordinates: [[...many, many[0] as Position]] })
    for (const at of [0, 1, 12_345, 99_999]) {
      expect(index.at(many[at] as Position, 0.05, 0.05)).toEqual({ kind: 'vertex', path: 0, index: at })
    }
  })

  it('never make a ring of fewer than three vertices or a line of one', () => {
    const triangle: Geometry = {
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [1, 0],
          [0, 1],
          [0, 0],
        ],
      ],
    }
    expect(deleteVertex(triangle, { kind: 'vertex', path: 0, index: 1 })).toBeNull()
    const line: Geometry = {
      type: 'LineString',
      coordinates: [
        [0, 0],
        [1, 0],
        [2, 0],
      ],
    }
    const shorter = deleteVertex(line, { kind: 'vertex', path: 0, index: 0 })
    expect(shorter).toEqual({
      type: 'LineString',
      coordinates: [
        [1, 0],
        [2, 0],
      ],
    })
    expect(shorter && deleteVertex(shorter, { kind: 'vertex', path: 0, index: 0 })).toBeNull()
  })

  it('keep rings closed whichever of the two end positions is named', () => {
    const last = { kind: 'vertex', path: 0, index: 5 } as const
    expect(ring(moveVertex(shape, last, [0, 0]), 0).at(0)).toEqual([0, 0])
    expect(ring(moveVertex(shape, last, [0, 0]), 0).at(-1)).toEqual([0, 0])
    expect(ring(deleteVertex(shape, last) ?? undefined, 0)).toEqual([...ring(shape, 0).slice(1, 5), [3200, 1800]])
    expect(ring(insertVertex(shape, { kind: 'edge', path: 0, index: 4 }, [1, 1]), 0).slice(-2)).toEqual([
      [1, 1],
      [2800, 1800],
    ])
  })
})
