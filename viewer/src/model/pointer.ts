/** Pointer and key events as tools see them: no DOM, no map library. */
import type { L0Point, ScreenPoint } from './view'

export interface PointerInput {
  readonly screen: ScreenPoint
  readonly l0: L0Point
  readonly device: 'mouse' | 'pen' | 'touch'
  readonly shift: boolean
  readonly alt: boolean
  readonly ctrl: boolean
  /** How many presses in quick succession at the same place, this one included. */
  readonly clicks: number
  /** Points passed since the last event, oldest first, this one last (pens report more often than frames come). */
  readonly trail: readonly L0Point[]
}

/** Where the canvas sends its pointer events. */
export interface PointerSink {
  /** A press; true takes the whole stroke, false leaves it to panning. */
  down(input: PointerInput): boolean
  /** The pointer moves during a stroke that was taken. */
  drag(input: PointerInput): void
  up(input: PointerInput): void
  /** A press and release without moving, of a stroke that was not taken (a finger's tap, a pick). */
  click(input: PointerInput): void
  /** The pointer moves with nothing pressed; null when it leaves the canvas. */
  hover(input: PointerInput | null): void
  /** The stroke was broken off (second finger, lost pointer): put back what was there before. */
  cancel(): void
}
