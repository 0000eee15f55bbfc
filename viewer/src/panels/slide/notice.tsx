import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'

const SHOWN_MS = 12_000

interface Props {
  readonly workspace: Workspace
  /** Give the tool in hand a key, as if it had been pressed. */
  readonly toolKey: (name: string) => void
}

/** What the polygon tool expects next, with buttons for those who have no keyboard. */
function PolygonHint({ workspace, toolKey }: Props): JSX.Element {
  const { interaction } = workspace
  const vertices = interaction.draft.value?.vertices.length ?? 0
  const touch = window.matchMedia('(pointer: coarse)').matches
  const hint = touch ? 'tap sets vertices · pen draws' : 'click sets vertices · drag draws freehand'
  return (
    <div class="notice tool-hint">
      <b>Polygon</b>
      <span class="clip">{interaction.activeClass.value ?? 'Unclassified'}</span>
      {vertices === 0 && <span class="quiet">{hint}</span>}
      {vertices > 0 && (
        <>
          <button type="button" class="button" disabled={vertices < 3} onClick={() => toolKey('Enter')}>
            Close <kbd>Enter</kbd>
          </button>
          <button type="button" class="button" onClick={() => toolKey('Escape')}>
            Give up <kbd>Esc</kbd>
          </button>
        </>
      )}
    </div>
  )
}

/** What the server has changed, else what the tool in hand expects. */
export function Notice({ workspace, toolKey }: Props): JSX.Element | null {
  const { editor, interaction } = workspace
  const text = editor.notice.value
  const clear = (): void => {
    editor.notice.value = ''
  }
  useEffect(() => {
    if (text === '') return
    const timer = setTimeout(clear, SHOWN_MS)
    return () => clearTimeout(timer)
  }, [text])
  if (text !== '') {
    return (
      <div class="notice" role="status">
        {text}
        <button type="button" class="icon-button" aria-label="Close" onClick={clear}>
          <Icon name="close" size={14} />
        </button>
      </div>
    )
  }
  return interaction.tool.value === 'polygon' ? <PolygonHint workspace={workspace} toolKey={toolKey} /> : null
}
