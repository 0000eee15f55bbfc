import type { JSX } from 'preact'
import { classNameOf, colorOf, cssColor } from '../../model/annotation-class'
import { toScreen } from '../../model/view'
import type { Workspace } from '../../store/workspace'

/** The name of the class under the pointer, so that colour is never all there is. */
export function HoverLabel({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const { interaction, view, objects, classMap } = workspace
  const at = view.pointer.value
  const now = view.view.value
  const feature = interaction.hover.value === null ? undefined : objects.get(interaction.hover.value)
  if (!at || !now || !feature) return null
  const [px, py] = toScreen(now, at)
  const { name, layer } = feature.properties
  return (
    <div class="hover-label" style={{ transform: `translate(${px + 14}px, ${py + 16}px)` }}>
      <span class="swatch" style={{ background: cssColor(colorOf(feature, classMap.value)) }} />
      {classNameOf(feature) ?? 'Unclassified'}
      {name && <span class="quiet">{name}</span>}
      {layer && <span class="quiet">{layer}</span>}
    </div>
  )
}
