import type { JSX, TargetedSubmitEvent } from 'preact'
import { cssColor, UNCLASSIFIED } from '../../model/annotation-class'
import { formatCount } from '../../model/format'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'

function NewClass({ workspace }: { workspace: Workspace }): JSX.Element {
  const add = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault()
    const form = event.currentTarget
    const name = String(new FormData(form).get('name') ?? '').trim()
    if (name !== '') workspace.addClass(name)
    form.reset()
  }
  return (
    <form class="new-class" onSubmit={add}>
      <input name="name" placeholder="New class…" aria-label="Name of a new class" autocomplete="off" maxLength={100} />
      <button type="submit" class="icon-button" aria-label="Add class" title="Add class">
        <Icon name="plus" size={14} />
      </button>
    </form>
  )
}

/** The palette: the chosen class is what new objects get; with an object selected, it is given that class. */
export function ClassList({ workspace }: { workspace: Workspace }): JSX.Element {
  const { classes, hotkeys, interaction, counts } = workspace
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
        <span class="count">{formatCount(counts.ofClass(name))}</span>
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
      {workspace.canAnnotate && <NewClass workspace={workspace} />}
    </section>
  )
}
