import { describe, expect, it } from 'vitest'
import { square } from '../../test/features'
import { TestViewer } from '../../test/test-viewer'

describe.each(['move', 'select'] as const)('a drag with Shift, with the %s tool', (tool) => {
  it('selects within the box that is upright on the screen, however the slide is turned', () => {
    const viewer = new TestViewer(tool)
    expect(
      viewer.drag(
        [
          [100, 100],
          [150, 120],
          [300, 250],
        ],
        { shift: true },
      ),
    ).toBe(true)
    const corners = [
      [100, 100],
      [300, 100],
      [300, 250],
      [100, 250],
    ] as const
    expect(viewer.rings).toHaveLength(1)
    corners.forEach(([px, py], at) => {
      const [x, y] = viewer.l0(px, py)
      expect(viewer.rings[0]?.[at]?.[0]).toBeCloseTo(x, 6)
      expect(viewer.rings[0]?.[at]?.[1]).toBeCloseTo(y, 6)
    })
    expect(viewer.interaction.band.value).toBeNull()
  })

  it('shows the box while it is drawn, and gives it up with Escape', () => {
    const viewer = new TestViewer(tool)
    viewer.toolbox.down(viewer.input(100, 100, { shift: true }))
    viewer.toolbox.drag(viewer.input(200, 180, { shift: true }))
    expect(viewer.interaction.band.value).toHaveLength(4)
    expect(viewer.toolbox.key('Escape')).toBe(true)
    viewer.toolbox.up(viewer.input(300, 250))
    expect([viewer.interaction.band.value, viewer.rings]).toEqual([null, []])
  })

  it('of hardly any length is a click', () => {
    const viewer = new TestViewer(tool)
    const [x, y] = viewer.l0(100, 100)
    viewer.add('a', square(x - 50, y - 50, 100))
    viewer.drag(
      [
        [100, 100],
        [101, 101],
      ],
      { shift: true },
    )
    expect([viewer.interaction.selection.value, viewer.rings]).toEqual(['a', []])
  })

  it('that a second finger breaks off selects nothing', () => {
    const viewer = new TestViewer(tool)
    viewer.drag(
      [
        [100, 100],
        [300, 250],
      ],
      { shift: true, broken: true },
    )
    expect([viewer.interaction.band.value, viewer.rings]).toEqual([null, []])
  })
})

describe.each(['move', 'select'] as const)('a drag with Ctrl and Shift, with the %s tool', (tool) => {
  it('selects within the line that was drawn, also when it ends where it began', () => {
    const viewer = new TestViewer(tool)
    const line = [
      [100, 100],
      [300, 120],
      [310, 300],
      [120, 280],
      [101, 101],
    ] as const
    expect(viewer.drag(line, { shift: true, ctrl: true })).toBe(true)
    expect(viewer.rings).toHaveLength(1)
    line.slice(0, 4).forEach(([px, py], at) => {
      const [x, y] = viewer.l0(px, py)
      expect(viewer.rings[0]?.[at]?.[0]).toBeCloseTo(x, 6)
      expect(viewer.rings[0]?.[at]?.[1]).toBeCloseTo(y, 6)
    })
    expect(viewer.interaction.band.value).toBeNull()
  })

  it('around nothing is a click', () => {
    const viewer = new TestViewer(tool)
    const line = [
      [100, 100],
      [101, 101],
    ] as const
    viewer.drag(line, { shift: true, ctrl: true })
    expect(viewer.rings).toEqual([])
  })
})

describe('Escape', () => {
  it('lets go of one and of many', () => {
    const viewer = new TestViewer('move')
    viewer.interaction.group.value = { numbers: [1, 2], classNames: [null, null], layers: ['', ''], seen: [1, 1] }
    expect(viewer.toolbox.key('Escape')).toBe(true)
    expect(viewer.interaction.group.value).toBeNull()
    expect(viewer.toolbox.key('Escape')).toBe(false)
  })
})
