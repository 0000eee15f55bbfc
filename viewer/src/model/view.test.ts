import { describe, expect, it } from 'vitest'
import { degreesOf, fitZoom, radiansOf, toL0, toScreen, type View, viewBox } from './view'

const view: View = { x: 1000, y: 2000, zoom: 0.5, rotation: 0, width: 800, height: 600 }

describe('screen and level 0', () => {
  it('meet at the centre of the canvas', () => {
    for (const rotation of [0, 0.3, 2, -1]) {
      expect(toL0({ ...view, rotation }, [400, 300])).toEqual([1000, 2000])
      expect(toScreen({ ...view, rotation }, [1000, 2000])).toEqual([400, 300])
    }
  })

  it('scale about the centre, y down', () => {
    expect(toL0(view, [0, 0])).toEqual([200, 1400])
    expect(toL0(view, [800, 600])).toEqual([1800, 2600])
    expect(toScreen(view, [1002, 2000])).toEqual([401, 300])
  })

  it('turn clockwise: what lay to the right lies below after a quarter turn', () => {
    const turned = { ...view, rotation: Math.PI / 2 }
    const [px, py] = toScreen(turned, [1100, 2000])
    expect(px).toBeCloseTo(400, 9)
    expect(py).toBeCloseTo(350, 9)
  })

  it('are inverse to each other', () => {
    for (let i = 0; i < 200; i++) {
      const random: View = {
        x: Math.sin(i) * 1e5,
        y: Math.cos(i * 3) * 1e5,
        zoom: 2 ** ((i % 20) - 10),
        rotation: i * 0.7,
        width: 300 + i,
        height: 900 - i,
      }
      const pixel = [i * 3.5, i * 1.25] as const
      const back = toScreen(random, toL0(random, pixel))
      expect(back[0]).toBeCloseTo(pixel[0], 5)
      expect(back[1]).toBeCloseTo(pixel[1], 5)
    }
  })
})

describe('what the canvas shows', () => {
  it('is an upright box around the turned canvas', () => {
    expect(viewBox(view)).toEqual([200, 1400, 1800, 2600])
    expect(viewBox(view, 0.5)).toEqual([-600, 800, 2600, 3200])
    const [x0, y0, x1, y1] = viewBox({ ...view, rotation: Math.PI / 2 })
    expect(x1 - x0).toBeCloseTo(1200, 6)
    expect(y1 - y0).toBeCloseTo(1600, 6)
  })

  it('can be the whole slide', () => {
    expect(fitZoom({ width: 4000, height: 1000 }, view, 0)).toBeCloseTo(0.2, 12)
    expect(fitZoom({ width: 4000, height: 1000 }, view, Math.PI / 2)).toBeCloseTo(0.15, 12)
  })
})

describe('degrees', () => {
  it('are normal', () => {
    expect([0, 45, 359.5, 720, -90].map((degrees) => degreesOf(radiansOf(degrees)))).toEqual([0, 45, 359.5, 0, 270])
  })
})
