import type { JSX } from 'preact'
import type { Look } from '../../model/look'
import type { Workspace } from '../../store/workspace'

const CHOICES: readonly (readonly [Look['color'], string, string])[] = [
  ['srgb', 'sRGB', 'Converted by the scan’s colour profile, for this screen.'],
  ['source', 'Scanner’s own values', 'As they were stored; on this screen they may look otherwise than meant.'],
]

/** Whether the scan's colour profile is applied. */
export function Colours({ workspace }: { workspace: Workspace }): JSX.Element {
  const { display } = workspace
  const { color } = display.look.value
  const note = CHOICES.find(([value]) => value === color)?.[2]
  return (
    <section class="panel-section" aria-labelledby="colours-heading">
      <h2 id="colours-heading">Colours</h2>
      <fieldset class="segments colours" aria-labelledby="colours-heading">
        {CHOICES.map(([value, label]) => (
          <button key={value} type="button" aria-pressed={color === value} onClick={() => display.setColor(value)}>
            {label}
          </button>
        ))}
      </fieldset>
      <p class="note" role="status">
        {note}
      </p>
    </section>
  )
}
