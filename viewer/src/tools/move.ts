import type { PointerInput } from '../model/pointer'
import { REACH, type Tool, type ViewerContext } from './tool'

/** Move: a drag pans (the canvas does that), a click selects. */
export class MoveTool implements Tool {
  constructor(protected readonly context: ViewerContext) {}

  down(_input: PointerInput): boolean {
    return false
  }

  drag(_input: PointerInput): void {}

  up(_input: PointerInput): void {}

  cancel(): void {}

  click(input: PointerInput): void {
    this.context.interaction.selection.value = this.pick(input)
  }

  hover(input: PointerInput | null): void {
    this.context.interaction.hover.value = input && this.pick(input)
  }

  key(name: string): boolean {
    const { selection } = this.context.interaction
    if (name === 'Escape' && selection.peek() !== null) {
      selection.value = null
      return true
    }
    return false
  }

  protected pick(input: PointerInput): string | null {
    return this.context.hit(input.l0, REACH.pick / this.context.zoom())?.id ?? null
  }
}
