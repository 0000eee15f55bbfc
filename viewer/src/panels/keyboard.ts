/** Keys for the slide page: tool keys first, then the table of commands, then the palette's digits. */
import { type CommandId, chordOf, commandOf } from '../model/commands'
import type { Workspace } from '../store/workspace'

export interface KeyboardHost {
  readonly workspace: Workspace
  /** Offer a key to the tool in hand. */
  toolKey(name: string): boolean
  run(command: CommandId): void
}

/** What moves a slider that has the focus. */
const SLIDER_KEYS = /^(Arrow|Page|Home|End)/
/** Inputs that take no letters. */
const LETTERLESS = 'input[type=range], input[type=color], input[type=checkbox], input[type=radio]'

/** Whether the key belongs to what has the focus: a field, a slider, or a dialog that is open. */
function isTaken({ target, key }: KeyboardEvent): boolean {
  if (document.querySelector('dialog[open]')) return true
  if (!(target instanceof HTMLElement)) return false
  if (target.closest(LETTERLESS)) return SLIDER_KEYS.test(key) || key === ' ' || key === 'Enter'
  return target.closest('input, select, textarea') !== null
}

function onButton(event: KeyboardEvent): boolean {
  const button = event.target instanceof HTMLElement && event.target.closest('button, a, summary')
  return Boolean(button) && (event.key === 'Enter' || event.key === ' ')
}

export function listenToKeys(host: KeyboardHost): () => void {
  const { workspace } = host
  const { interaction } = workspace

  const down = (event: KeyboardEvent): void => {
    if (isTaken(event) || onButton(event) || event.altKey) return
    if (event.key === ' ') interaction.spaceHeld.value = true
    else if (!handle(event)) return
    event.preventDefault()
  }

  const handle = (event: KeyboardEvent): boolean => {
    const chord = chordOf(event)
    if (host.toolKey(event.key)) return true
    const command = commandOf(chord)
    if (command && (workspace.canAnnotate || !command.annotators)) {
      host.run(command.id)
      return true
    }
    if (!workspace.canAnnotate) return false
    const [name] = [...workspace.hotkeys.peek()].find(([, key]) => key === chord) ?? []
    if (name === undefined) return false
    workspace.chooseClass(name)
    return true
  }

  const up = (event: KeyboardEvent): void => {
    if (event.key === ' ') interaction.spaceHeld.value = false
  }
  const release = (): void => {
    interaction.spaceHeld.value = false
  }
  window.addEventListener('keydown', down)
  window.addEventListener('keyup', up)
  window.addEventListener('blur', release)
  return () => {
    window.removeEventListener('keydown', down)
    window.removeEventListener('keyup', up)
    window.removeEventListener('blur', release)
  }
}
