import type { JSX } from 'preact'
import { cssColor, UNCLASSIFIED } from '../../model/annotation-class'
import { toScreen } from '../../model/view'
import type { Workspace } from '../../store/workspace'

/** What a label needs to the right of the pointer and below it, in CSS pixels. */
const ROOM = { x: 340, y: 60 }

/** The name of the class under the pointer, so that colour is never all there is. */
export function HoverLabel({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const { interaction, view, classMap } = workspace
  const at = view.pointer.value
  const now = view.view.value
  const picked = interaction.hover.value
  if (!at || !now || !picked) return null
  const [px, py] = toScreen(now, at)
  const { className, layer } = picked
  // At the edge it stands on the pointer's other side, so that nothing of it is cut off.
  const left = px > now.width / 2 && px > now.width - ROOM.x
  const up = py > now.height - ROOM.y
  const transform = `translate(${px + (left ? -8 : 14)}px, ${py + (up ? -8 : 16)}px) translate(${left ? -100 : 0}%, ${up ? -100 : 0}%)`
  const maxWidth = `${Math.min(ROOM.x, left ? px : now.width - px) - 20}px`
  return (
    <div class="hover-label" style={{ transform, maxWidth }}>
      <span
        class="swatch"
        style={{ background: cssColor(classMap.value.get(className ?? '')?.color ?? UNCLASSIFIED) }}
      />
      <span class="clip">{className ?? 'Unclassified'}</span>
      {layer && <span class="quiet clip">{layer}</span>}
    </div>
  )
}
