/** OpenLayers' pointer events, told to the tools in their own terms. */
import { altShiftKeysOnly } from 'ol/events/condition'
import PointerInteraction from 'ol/interaction/Pointer'
import type MapBrowserEvent from 'ol/MapBrowserEvent'
import type { PointerInput, PointerSink } from '../model/pointer'
import { type ScreenPoint, toL0, type View } from '../model/view'

/** Presses within this time and distance belong to one double click. */
const DOUBLE_CLICK_MS = 400
const DOUBLE_CLICK_PX = 6

type BrowserEvent = MapBrowserEvent<PointerEvent | KeyboardEvent | WheelEvent>

interface LastPress {
  readonly at: number
  readonly screen: ScreenPoint
  readonly clicks: number
}

function deviceOf(event: PointerEvent): PointerInput['device'] {
  return event.pointerType === 'pen' || event.pointerType === 'touch' ? event.pointerType : 'mouse'
}

export function createPointer(currentView: () => View | null, sink: PointerSink): PointerInteraction {
  let last: LastPress = { at: -Infinity, screen: [0, 0], clicks: 0 }

  const pixelOf = (event: BrowserEvent, original: PointerEvent): ScreenPoint => {
    const [px = 0, py = 0] = event.map.getEventPixel(original)
    return [px, py]
  }

  const inputOf = (event: BrowserEvent, clicks: number): PointerInput | null => {
    const view = currentView()
    const original = event.originalEvent
    if (!view || !(original instanceof PointerEvent)) return null
    const screen = pixelOf(event, original)
    const passed = event.type === 'pointerdrag' ? original.getCoalescedEvents() : []
    const trail = (passed.length > 0 ? passed : [original]).map((each) => toL0(view, pixelOf(event, each)))
    const { shiftKey: shift, altKey: alt, ctrlKey, metaKey } = original
    const keys = { shift, alt, ctrl: ctrlKey || metaKey }
    return { screen, l0: toL0(view, screen), device: deviceOf(original), ...keys, clicks, trail }
  }

  const pressOf = (event: BrowserEvent): PointerInput | null => {
    const input = inputOf(event, 1)
    if (!input) return null
    const [dx, dy] = [input.screen[0] - last.screen[0], input.screen[1] - last.screen[1]]
    const now = event.originalEvent.timeStamp
    const again = now - last.at <= DOUBLE_CLICK_MS && Math.hypot(dx, dy) <= DOUBLE_CLICK_PX
    last = { at: now, screen: input.screen, clicks: again ? last.clicks + 1 : 1 }
    return { ...input, clicks: last.clicks }
  }

  const interaction: PointerInteraction = new PointerInteraction({
    handleDownEvent: (event) => {
      const original = event.originalEvent as PointerEvent
      // Alt and Shift together turn the slide.
      if (original.button !== 0 || altShiftKeysOnly(event) || interaction.getPointerCount() > 1) return false
      const input = pressOf(event)
      return input !== null && sink.down(input)
    },
    handleDragEvent: (event) => {
      const input = inputOf(event, 1)
      if (interaction.getPointerCount() > 1) sink.cancel()
      else if (input) sink.drag(input)
    },
    handleUpEvent: (event) => {
      const input = inputOf(event, 1)
      if (!input || event.originalEvent.type === 'pointercancel') sink.cancel()
      else sink.up(input)
      return false
    },
    handleMoveEvent: (event) => {
      const input = inputOf(event, 0)
      if (input && input.device !== 'touch' && !event.dragging) sink.hover(input)
    },
  })

  const handle = interaction.handleEvent.bind(interaction)
  let taken = false
  interaction.handleEvent = (event) => {
    const pass = handle(event)
    if (event.type === 'pointerdown') taken = !pass
    if (event.type === 'click' && !taken) {
      const input = inputOf(event, last.clicks)
      if (input) sink.click(input)
    }
    return pass
  }
  return interaction
}
