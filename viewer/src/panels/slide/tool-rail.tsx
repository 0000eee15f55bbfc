import type { JSX } from 'preact'
import type { CommandId } from '../../model/commands'
import type { Workspace } from '../../store/workspace'
import { Icon, type IconName } from '../icons'

interface RailButton {
  readonly command: CommandId
  readonly icon: IconName
  readonly label: string
  readonly hotkey: string
}

const MOVE: RailButton = { command: 'move', icon: 'move', label: 'Move', hotkey: 'M' }
const DRAWING: readonly RailButton[] = [
  { command: 'select', icon: 'select', label: 'Select and reshape', hotkey: 'S' },
  { command: 'polygon', icon: 'polygon', label: 'Polygon', hotkey: 'P' },
]
const VIEW: readonly RailButton[] = [
  { command: 'zoom-in', icon: 'plus', label: 'Zoom in', hotkey: '+' },
  { command: 'zoom-out', icon: 'minus', label: 'Zoom out', hotkey: '−' },
  { command: 'rotate-left', icon: 'turn-left', label: 'Turn left', hotkey: '<' },
  { command: 'rotate-right', icon: 'turn-right', label: 'Turn right', hotkey: '>' },
]

interface Props {
  readonly workspace: Workspace
  readonly run: (command: CommandId) => void
}

export function ToolRail({ workspace, run }: Props): JSX.Element {
  const { interaction, editor } = workspace
  const nothingToUndo = editor.undoStack.depth.value === 0 && interaction.draft.value === null
  const button = ({ command, icon, label, hotkey }: RailButton, more: object = {}): JSX.Element => (
    <button
      key={command}
      type="button"
      class="rail-button"
      title={`${label} (${hotkey})`}
      aria-label={label}
      data-key={hotkey}
      data-testid={`tool-${command}`}
      onClick={() => run(command)}
      {...more}
    >
      <Icon name={icon} />
    </button>
  )
  const tool = (each: RailButton): JSX.Element =>
    button(each, { 'aria-pressed': interaction.tool.value === each.command })
  return (
    <section class="rail" aria-label="Tools">
      {tool(MOVE)}
      {workspace.canAnnotate && DRAWING.map(tool)}
      {workspace.canAnnotate && <hr />}
      {workspace.canAnnotate && (
        <>
          {button({ command: 'undo', icon: 'undo', label: 'Undo', hotkey: '^Z' }, { disabled: nothingToUndo })}
          {button(
            { command: 'redo', icon: 'redo', label: 'Redo', hotkey: '^⇧Z' },
            { disabled: editor.undoStack.redoDepth.value === 0 },
          )}
        </>
      )}
      <hr />
      <span class="rail-view">{VIEW.map((each) => button(each))}</span>
      <span class="rail-space" />
      {button({ command: 'toggle-panel', icon: 'panel', label: 'Side panel', hotkey: '\\' })}
      {button({ command: 'help', icon: 'help', label: 'Help', hotkey: '?' })}
    </section>
  )
}
