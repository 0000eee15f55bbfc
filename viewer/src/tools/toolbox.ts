/** Sends pointer and key events to the tool in hand. */
import type { PointerInput, PointerSink } from '../model/pointer'
import type { ToolId } from '../store/interaction'
import { MoveTool } from './move'
import { PolygonTool } from './polygon'
import { SelectTool } from './select'
import type { Tool, ViewerContext } from './tool'

export class Toolbox implements PointerSink {
  readonly polygon: PolygonTool
  private readonly tools: Readonly<Record<ToolId, Tool>>
  /** The tool that took the stroke under way keeps it to the end. */
  private stroke: Tool | null = null

  constructor(private readonly context: ViewerContext) {
    this.polygon = new PolygonTool(context)
    this.tools = { move: new MoveTool(context), select: new SelectTool(context), polygon: this.polygon }
  }

  down(input: PointerInput): boolean {
    const tool = this.inHand()
    const taken = tool.down(input)
    this.stroke = taken ? tool : null
    return taken
  }

  drag(input: PointerInput): void {
    this.stroke?.drag(input)
  }

  up(input: PointerInput): void {
    this.stroke?.up(input)
    this.stroke = null
  }

  click(input: PointerInput): void {
    this.inHand().click(input)
  }

  hover(input: PointerInput | null): void {
    this.inHand().hover(input)
  }

  cancel(): void {
    this.stroke?.cancel()
    this.stroke = null
  }

  key(name: string): boolean {
    return this.inHand().key(name)
  }

  private inHand(): Tool {
    return this.tools[this.context.interaction.effectiveTool.peek()]
  }
}
