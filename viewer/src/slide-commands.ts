/** What each command does on the slide page. */
import type { CommandId } from './model/commands'
import { nativeMagnification, PRESETS, zoomAt } from './model/magnification'
import { radiansOf } from './model/view'
import type { Workspace } from './store/workspace'

const ZOOM_STEP = 2 ** 0.5
const PAN_STEP = 128
const TURN_STEP = radiansOf(15)

export interface PageCommands {
  help(): void
  panel(): void
  /** Take back the last step of what the tool in hand is making; false when there is none. */
  undoStep(): boolean
}

function preset(workspace: Workspace, index: number): void {
  const native = nativeMagnification(workspace.slide.peek())
  const magnification = PRESETS[index]
  if (native !== null && magnification) workspace.view.jump({ zoom: zoomAt(native, magnification) })
}

/** Carry out an undo or redo and select what it was about, when that is there. */
function follow(workspace: Workspace, id: string | null): void {
  if (id === null) return
  workspace.interaction.group.value = null
  workspace.interaction.selection.value = workspace.objects.get(id) ? id : null
}

export function runCommand(workspace: Workspace, command: CommandId, page: PageCommands): void {
  const { view, interaction, editor, display } = workspace
  const actions: Readonly<Record<CommandId, () => void>> = {
    move: () => {
      interaction.tool.value = 'move'
    },
    select: () => {
      interaction.tool.value = 'select'
    },
    polygon: () => {
      interaction.tool.value = 'polygon'
    },
    undo: () => {
      if (!page.undoStep()) follow(workspace, editor.undo())
    },
    redo: () => follow(workspace, editor.redo()),
    delete: () => workspace.deleteSelected(),
    next: () => void workspace.step(1),
    previous: () => void workspace.step(-1),
    'zoom-in': () => view.zoomBy(ZOOM_STEP),
    'zoom-out': () => view.zoomBy(1 / ZOOM_STEP),
    fit: () => view.fit(),
    'preset-1': () => preset(workspace, 0),
    'preset-2': () => preset(workspace, 1),
    'preset-3': () => preset(workspace, 2),
    'preset-4': () => preset(workspace, 3),
    'preset-5': () => preset(workspace, 4),
    'rotate-left': () => view.rotateBy(-TURN_STEP),
    'rotate-right': () => view.rotateBy(TURN_STEP),
    'rotate-reset': () => view.jump({ rotation: 0 }),
    left: () => view.panBy(-PAN_STEP, 0),
    right: () => view.panBy(PAN_STEP, 0),
    up: () => view.panBy(0, -PAN_STEP),
    down: () => view.panBy(0, PAN_STEP),
    'toggle-objects': () => {
      interaction.showObjects.value = !interaction.showObjects.peek()
    },
    'toggle-fill': () => {
      interaction.fillObjects.value = !interaction.fillObjects.peek()
    },
    'plane-up': () => display.stepPlane(1),
    'plane-down': () => display.stepPlane(-1),
    projection: () => display.toggleProjection(),
    'time-next': () => display.stepTime(1),
    'time-previous': () => display.stepTime(-1),
    'toggle-panel': page.panel,
    help: page.help,
  }
  actions[command]()
}
