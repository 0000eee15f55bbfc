/** Every command that a key gives, in one table: the keyboard and the help page both read it. */

export type CommandId =
  | 'move'
  | 'select'
  | 'polygon'
  | 'undo'
  | 'redo'
  | 'delete'
  | 'next'
  | 'previous'
  | 'zoom-in'
  | 'zoom-out'
  | 'fit'
  | 'preset-1'
  | 'preset-2'
  | 'preset-3'
  | 'preset-4'
  | 'preset-5'
  | 'rotate-left'
  | 'rotate-right'
  | 'rotate-reset'
  | 'left'
  | 'right'
  | 'up'
  | 'down'
  | 'toggle-objects'
  | 'toggle-fill'
  | 'plane-up'
  | 'plane-down'
  | 'time-next'
  | 'time-previous'
  | 'projection'
  | 'toggle-panel'
  | 'help'

export interface Command {
  readonly id: CommandId
  readonly label: string
  readonly group: 'Tools' | 'View' | 'Edit' | 'Show'
  /** Chords as `chordOf` writes them; the first is shown. */
  readonly chords: readonly string[]
  /** How the keys are printed. */
  readonly keys: string
  /** Only for readers who may annotate. */
  readonly annotators?: true
  /** Only for slides that have several of them. */
  readonly needs?: 'planes' | 'times'
}

export const COMMANDS: readonly Command[] = [
  { id: 'move', label: 'Move', group: 'Tools', chords: ['m'], keys: 'M' },
  { id: 'select', label: 'Select and reshape', group: 'Tools', chords: ['s'], keys: 'S', annotators: true },
  { id: 'polygon', label: 'Polygon', group: 'Tools', chords: ['p'], keys: 'P', annotators: true },
  { id: 'undo', label: 'Undo', group: 'Edit', chords: ['ctrl+z'], keys: 'Ctrl Z', annotators: true },
  { id: 'redo', label: 'Redo', group: 'Edit', chords: ['ctrl+shift+z', 'ctrl+y'], keys: 'Ctrl ⇧ Z', annotators: true },
  {
    id: 'delete',
    label: 'Delete what is selected',
    group: 'Edit',
    chords: ['delete', 'backspace'],
    keys: 'Del',
    annotators: true,
  },
  { id: 'next', label: 'Next object on the screen', group: 'Edit', chords: ['n'], keys: 'N' },
  { id: 'previous', label: 'Previous object', group: 'Edit', chords: ['shift+n'], keys: '⇧ N' },
  { id: 'zoom-in', label: 'Zoom in', group: 'View', chords: ['+', '='], keys: '+' },
  { id: 'zoom-out', label: 'Zoom out', group: 'View', chords: ['-', '_'], keys: '−' },
  { id: 'fit', label: 'Whole slide', group: 'View', chords: ['0'], keys: '0' },
  { id: 'preset-1', label: '1×', group: 'View', chords: ['shift+digit1'], keys: '⇧ 1' },
  { id: 'preset-2', label: '5×', group: 'View', chords: ['shift+digit2'], keys: '⇧ 2' },
  { id: 'preset-3', label: '10×', group: 'View', chords: ['shift+digit3'], keys: '⇧ 3' },
  { id: 'preset-4', label: '20×', group: 'View', chords: ['shift+digit4'], keys: '⇧ 4' },
  { id: 'preset-5', label: '40×', group: 'View', chords: ['shift+digit5'], keys: '⇧ 5' },
  { id: 'rotate-left', label: 'Turn left', group: 'View', chords: ['<', ','], keys: '<' },
  { id: 'rotate-right', label: 'Turn right', group: 'View', chords: ['>'], keys: '>' },
  { id: 'rotate-reset', label: 'Upright', group: 'View', chords: ['|', '^'], keys: '^' },
  { id: 'left', label: 'Pan left', group: 'View', chords: ['arrowleft'], keys: '←' },
  { id: 'right', label: 'Pan right', group: 'View', chords: ['arrowright'], keys: '→' },
  { id: 'up', label: 'Pan up', group: 'View', chords: ['arrowup'], keys: '↑' },
  { id: 'down', label: 'Pan down', group: 'View', chords: ['arrowdown'], keys: '↓' },
  { id: 'toggle-objects', label: 'Annotations on or off', group: 'Show', chords: ['a'], keys: 'A' },
  { id: 'toggle-fill', label: 'Fill on or off', group: 'Show', chords: ['f'], keys: 'F' },
  { id: 'plane-up', label: 'Next plane', group: 'Show', chords: ['pageup'], keys: 'PgUp', needs: 'planes' },
  { id: 'plane-down', label: 'Previous plane', group: 'Show', chords: ['pagedown'], keys: 'PgDn', needs: 'planes' },
  { id: 'projection', label: 'All planes at once', group: 'Show', chords: ['i'], keys: 'I', needs: 'planes' },
  { id: 'time-next', label: 'Next time', group: 'Show', chords: ['shift+pageup'], keys: '⇧ PgUp', needs: 'times' },
  {
    id: 'time-previous',
    label: 'Previous time',
    group: 'Show',
    chords: ['shift+pagedown'],
    keys: '⇧ PgDn',
    needs: 'times',
  },
  { id: 'toggle-panel', label: 'Side panel', group: 'Show', chords: ['\\'], keys: '\\' },
  { id: 'help', label: 'This page', group: 'Show', chords: ['?', 'f1'], keys: '?' },
]

/** What is not one key: gestures, and keys that belong to a tool. */
export const GESTURES: readonly { readonly label: string; readonly keys: string; readonly annotators?: true }[] = [
  { label: 'Pan with any tool', keys: 'hold Space, or middle button' },
  { label: 'Zoom', keys: 'wheel, pinch, double click' },
  { label: 'Turn freely', keys: 'Alt ⇧ drag' },
  { label: 'Select all within a box, with M or S', keys: '⇧ drag' },
  { label: 'Select all within a line, with M or S', keys: 'Ctrl ⇧ drag' },
  { label: 'Set a vertex · draw freehand', keys: 'click · drag', annotators: true },
  { label: 'Close the polygon', keys: 'double click, Enter, first vertex', annotators: true },
  { label: 'Take back the last vertex · give up', keys: 'Backspace · Esc', annotators: true },
  { label: 'Move a vertex · add one on an edge', keys: 'drag', annotators: true },
  { label: 'Take out a vertex', keys: 'Alt click', annotators: true },
  { label: 'Class of the next object; of the selected one with M or S', keys: '1 … 9', annotators: true },
]

interface KeyLike {
  readonly key: string
  readonly code: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly shiftKey: boolean
  readonly altKey: boolean
}

/** One name for a key with its modifiers. Shift is part of the name only where the key itself does not show it. */
export function chordOf(event: KeyLike): string {
  const ctrl = event.ctrlKey || event.metaKey ? 'ctrl+' : ''
  if (event.shiftKey && /^Digit[1-9]$/.test(event.code)) return `${ctrl}shift+${event.code.toLowerCase()}`
  const letterOrNamed = /^[a-z]$/i.test(event.key) || event.key.length > 1
  return `${ctrl}${event.shiftKey && letterOrNamed ? 'shift+' : ''}${event.key.toLowerCase()}`
}

const BY_CHORD = new Map(COMMANDS.flatMap((command) => command.chords.map((chord) => [chord, command] as const)))

export function commandOf(chord: string): Command | null {
  return BY_CHORD.get(chord) ?? null
}
