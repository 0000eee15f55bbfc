import type { JSX } from 'preact'
import { cssColor, UNCLASSIFIED } from '../../model/annotation-class'
import { formatCount } from '../../model/format'
import type { Workspace } from '../../store/workspace'

/** The palette: the chosen class is what new objects get; with an object selected, it is given that class. */
export function ClassList({ workspace }: { workspace: Workspace }): JSX.Element {
  const { classes, hotkeys, interaction, objects, loader } = workspace
  // Counts follow the objects.
  void objects.version.value
  const partial = !loader.report.value.complete
  const row = (name: string | null, label: string, color: string): JSX.Element => (
    <li key={label}>
      <button
        type="button"
        class="row"
        data-testid="class-row"
        data-class={name ?? ''}
        aria-pressed={interaction.activeClass.value === name}
        disabled={!workspace.canAnnotate}
        onClick={() => workspace.chooseClass(name)}
      >
        <span class="swatch" style={{ background: color }} />
        <span class="clip">{label}</span>
        <span class="count" title={partial ? 'Only what is loaded is counted' : undefined}>
          {formatCount(objects.countOf(name))}
          {partial ? '+' : ''}
        </span>
        <kbd>{hotkeys.value.get(name ?? '') ?? ''}</kbd>
      </button>
    </li>
  )
  return (
    <section class="panel-section" aria-labelledby="class-heading">
      <h2 id="class-heading">
        Class <span>Hotkey</span>
      </h2>
      <ul class="rows">
        {classes.value.map(({ name, color }) => row(name, name, cssColor(color)))}
        {row(null, 'Unclassified', cssColor(UNCLASSIFIED))}
      </ul>
    </section>
  )
}
