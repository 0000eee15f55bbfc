/** `window.pathserve`: the supported way to look into the viewer from tests and the console (see README.md). */
import { degreesOf, type L0Point, type ScreenPoint, toL0, toScreen } from './model/view'
import type { Workspace } from './store/workspace'

export interface DebugSurface {
  readonly view: {
    /** Level-0 point under a point of the canvas (CSS pixels from its top-left corner). */
    toL0(px: number, py: number): L0Point
    toScreen(x: number, y: number): ScreenPoint
    state(): Readonly<Record<string, unknown>>
  }
  /** Resolves when the slide's tiles and annotations are on the screen. */
  readonly ready: Promise<void>
}

declare global {
  interface Window {
    pathserve?: DebugSurface
  }
}

export function debugSurface(workspace: Workspace, ready: Promise<void>): DebugSurface {
  const { view, interaction, queue, counts, live, touched, picking } = workspace
  const current = (): NonNullable<typeof view.view.value> => {
    const now = view.view.peek()
    if (!now) throw new Error('The slide is not on the screen yet: wait for pathserve.ready.')
    return now
  }
  return {
    view: {
      toL0: (px, py) => toL0(current(), [px, py]),
      toScreen: (x, y) => toScreen(current(), [x, y]),
      state: () => ({
        ...current(),
        degrees: degreesOf(current().rotation),
        tool: interaction.tool.peek(),
        activeClass: interaction.activeClass.peek(),
        selection: interaction.selection.peek(),
        /** Number of the selected object; known before the object itself has come. */
        selected:
          interaction.preview.peek()?.number ??
          workspace.objects.get(interaction.selection.peek() ?? '')?.properties.number ??
          null,
        hiddenLayers: [...interaction.hiddenLayers.peek()],
        objects: counts.total.peek(),
        chosen: interaction.group.peek()?.numbers.length ?? 0,
        hover: interaction.hover.peek()?.number ?? null,
        /** Counts the places under the pointer that have been looked at. */
        looks: picking.looks,
        edition: live.edition.peek(),
        settled: touched.touches.peek().size === 0,
        draft: interaction.draft.peek()?.vertices ?? null,
        save: queue.state.peek(),
        waiting: queue.waiting.peek(),
      }),
    },
    ready,
  }
}
