import { describe, expect, it } from 'vitest'
import { TestViewer } from '../../test/test-viewer'
import type { Geometry, Position } from '../model/geojson'

const CORNERS = [
  [100, 100],
  [400, 120],
  [420, 500],
] as const

function ringOf(geometry: Geometry | undefined): readonly Position[] {
  return geometry?.type === 'Polygon' ? (geometry.coordinates[0] ?? []) : []
}

function drawing(): TestViewer {
  const viewer = new TestViewer('polygon')
  for (const [px, py] of CORNERS) viewer.click(px, py)
  return viewer
}

describe('a polygon by clicks', () => {
  it('has the exact level-0 points of the clicks', () => {
    const viewer = drawing().doubleClick(90, 480)
    const corners = [...CORNERS, [90, 480] as const].map(([px, py]) => viewer.l0(px, py))
    expect(viewer.writes).toEqual([{ type: 'Polygon', coordinates: [[...corners, corners[0]]] }])
    expect(viewer.interaction.draft.value).toBeNull()
    expect(viewer.interaction.selection.value).toBe('new-0')
  })

  it('is closed by Enter, and by its first vertex', () => {
    const byKey = drawing()
    expect(byKey.toolbox.key('Enter')).toBe(true)
    const byVertex = drawing().hover(104, 103)
    expect(byVertex.interaction.draft.value?.closing).toBe(true)
    byVertex.click(104, 103)
    expect(byVertex.writes).toEqual(byKey.writes)
    expect(ringOf(byKey.writes[0])).toHaveLength(4)
  })

  it('does not begin anew with a third press at the same place', () => {
    const viewer = drawing().doubleClick(90, 480)
    viewer.click(90, 480, { clicks: 3 })
    expect(viewer.interaction.draft.value).toBeNull()
    expect(viewer.writes).toHaveLength(1)
  })

  it('needs three vertices', () => {
    const viewer = new TestViewer('polygon').click(100, 100).doubleClick(300, 300)
    viewer.toolbox.key('Enter')
    expect(viewer.writes).toEqual([])
    expect(viewer.interaction.draft.value?.vertices).toHaveLength(2)
  })

  it('takes no vertex twice in a row', () => {
    const viewer = drawing().click(420, 500)
    expect(viewer.interaction.draft.value?.vertices).toHaveLength(3)
  })

  it.each(['Backspace', 'Undo'])('gives the last vertex back at %s', (key) => {
    const viewer = drawing()
    expect(viewer.toolbox.key(key)).toBe(true)
    expect(viewer.interaction.draft.value?.vertices).toEqual(CORNERS.slice(0, 2).map(([px, py]) => viewer.l0(px, py)))
  })

  it('is given up at Escape, and only then leaves that key to others', () => {
    const viewer = drawing()
    expect(viewer.toolbox.key('Escape')).toBe(true)
    expect(viewer.interaction.draft.value).toBeNull()
    expect(viewer.toolbox.key('Escape')).toBe(false)
  })

  it('shows where the next vertex would go', () => {
    const viewer = drawing().hover(50, 60)
    expect(viewer.interaction.draft.value?.cursor).toEqual(viewer.l0(50, 60))
    expect(viewer.interaction.draft.value?.closing).toBe(false)
  })

  it('outlasts panning with Space and a change of tool', () => {
    const viewer = drawing()
    viewer.interaction.spaceHeld.value = true
    expect(
      viewer.drag([
        [10, 10],
        [200, 200],
      ]),
    ).toBe(false)
    viewer.interaction.spaceHeld.value = false
    viewer.interaction.tool.value = 'select'
    viewer.interaction.tool.value = 'polygon'
    viewer.toolbox.key('Enter')
    expect(ringOf(viewer.writes[0])).toHaveLength(4)
  })

  it('goes on from what an earlier visit has left', () => {
    const viewer = new TestViewer('polygon')
    viewer.toolbox.polygon.resume([
      [0, 0],
      [10, 0],
    ])
    viewer.click(300, 300).toolbox.key('Enter')
    expect(ringOf(viewer.writes[0]).slice(0, 2)).toEqual([
      [0, 0],
      [10, 0],
    ])
  })
})

describe('freehand', () => {
  const circle = Array.from(
    { length: 80 },
    (_, i) => [400 + 100 * Math.cos(i / 13), 400 + 100 * Math.sin(i / 13)] as const,
  )

  it('is one polygon from press to release', () => {
    const viewer = new TestViewer('polygon')
    expect(viewer.drag(circle)).toBe(true)
    expect(viewer.writes).toHaveLength(1)
    const ring = ringOf(viewer.writes[0])
    expect(ring[0]).toEqual(viewer.l0(500, 400))
    expect(ring.at(-1)).toEqual(ring[0])
    expect(ring.length).toBeGreaterThan(60)
  })

  it('keeps vertices at least two screen pixels apart', () => {
    const viewer = new TestViewer('polygon')
    viewer.drag(Array.from({ length: 400 }, (_, i) => [400 + i * 0.5, 400 + (i % 200)] as const))
    const ring = ringOf(viewer.writes[0])
    for (let i = 1; i < ring.length - 1; i++) {
      const [a, b] = [ring[i - 1] as Position, ring[i] as Position]
      expect(Math.hypot(a[0] - b[0], a[1] - b[1]) * viewer.view.zoom).toBeGreaterThanOrEqual(2 - 1e-9)
    }
  })

  it('takes every point that a pen has passed between two frames', () => {
    const viewer = new TestViewer('polygon')
    const pen = { device: 'pen' } as const
    viewer.toolbox.down(viewer.input(100, 100, pen))
    const trail = [viewer.l0(150, 90), viewer.l0(200, 130), viewer.l0(220, 200)]
    viewer.toolbox.drag({ ...viewer.input(220, 200, pen), trail })
    viewer.toolbox.up(viewer.input(220, 200, pen))
    expect(ringOf(viewer.writes[0])).toEqual([viewer.l0(100, 100), ...trail, viewer.l0(100, 100)])
  })

  it('in the middle of clicks goes on with clicks', () => {
    const viewer = drawing()
    viewer.drag(circle.slice(0, 20))
    expect(viewer.writes).toEqual([])
    expect(viewer.interaction.draft.value?.vertices.slice(0, 4)).toEqual([
      ...CORNERS.map(([px, py]) => viewer.l0(px, py)),
      viewer.l0(500, 400),
    ])
  })

  it('that is broken off leaves what was there before', () => {
    const viewer = drawing()
    viewer.drag(circle.slice(0, 20), { broken: true })
    expect(viewer.interaction.draft.value?.vertices).toHaveLength(3)
  })

  it('is no drag when the hand only trembles', () => {
    const viewer = drawing()
    viewer.drag([
      [600, 300],
      [602, 301],
    ])
    expect(viewer.interaction.draft.value?.vertices.at(-1)).toEqual(viewer.l0(600, 300))
    expect(viewer.interaction.draft.value?.vertices).toHaveLength(4)
  })
})

describe('fingers', () => {
  it('pan, and set vertices by tapping', () => {
    const viewer = new TestViewer('polygon')
    expect(
      viewer.drag(
        [
          [10, 10],
          [200, 200],
        ],
        { device: 'touch' },
      ),
    ).toBe(false)
    for (const [px, py] of CORNERS) viewer.click(px, py, { device: 'touch' })
    expect(viewer.interaction.draft.value?.vertices).toEqual(CORNERS.map(([px, py]) => viewer.l0(px, py)))
    viewer.click(102, 101, { device: 'touch' })
    expect(viewer.writes).toHaveLength(1)
  })
})
