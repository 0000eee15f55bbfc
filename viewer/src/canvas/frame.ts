/** The only place that knows how OpenLayers counts: its y goes up, ours goes down. */

import type { FrameState } from 'ol/Map'
import { Projection } from 'ol/proj'
import type { View } from '../model/view'

/** `[minX, minY, maxX, maxY]` of the slide in OpenLayers' frame. */
export function extentOf(slide: { width: number; height: number }): [number, number, number, number] {
  return [0, -slide.height, slide.width, 0]
}

export function projectionOf(slide: { width: number; height: number }): Projection {
  return new Projection({ code: 'level-0-pixels', units: 'pixels', extent: extentOf(slide) })
}

export function olCoordinate(x: number, y: number): [number, number] {
  return [x, -y]
}

/** The view of a frame as it is drawn. */
export function viewOf(frame: FrameState): View {
  const { center, resolution, rotation } = frame.viewState
  const [x = 0, y = 0] = center
  const [width = 0, height = 0] = frame.size
  return { x, y: -y, zoom: 1 / resolution, rotation, width, height }
}
