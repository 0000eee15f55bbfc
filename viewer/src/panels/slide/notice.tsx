import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'

const SHOWN_MS = 12_000

/** What the tool in hand expects, and what the server had to repair. */
export function Notice({ workspace }: { workspace: Workspace }): JSX.Element | null {
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
  const draft = interaction.draft.value
  if (interaction.tool.value !== 'polygon') return null
  return (
    <div class="notice tool-hint">
      <b>Polygon</b>
      <span>{interaction.activeClass.value ?? 'Unclassified'}</span>
      <span class="quiet">
        {draft
          ? 'double click or Enter closes · Backspace takes back · Esc gives up'
          : 'click sets vertices · drag draws freehand'}
      </span>
    </div>
  )
}
