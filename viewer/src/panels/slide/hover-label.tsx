import type { JSX } from 'preact'
import { cssColor, UNCLASSIFIED } from '../../model/annotation-class'
import { toScreen } from '../../model/view'
import type { Workspace } from '../../store/workspace'

/** The name of the class under the pointer, so that colour is never all there is. */
export function HoverLabel({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const { interaction, view, classMap } = workspace
  const at = view.pointer.value
  const now = view.view.value
  const picked = interaction.hover.value
  if (!at || !now || !picked) return null
  const [px, py] = toScreen(now, at)
  const { className, layer } = picked
  return (
    <div class="hover-label" style={{ transform: `translate(${px + 14}px, ${py + 16}px)` }}>
      <span
        class="swatch"
        style={{ background: cssColor(classMap.value.get(className ?? '')?.color ?? UNCLASSIFIED) }}
      />
      {className ?? 'Unclassified'}
      {layer && <span class="quiet">{layer}</span>}
    </div>
  )
}
