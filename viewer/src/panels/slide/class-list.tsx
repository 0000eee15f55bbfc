import { useSignal } from '@preact/signals'
import type { JSX, TargetedSubmitEvent } from 'preact'
import { type AnnotationClass, cssColor, UNCLASSIFIED, usedFirst } from '../../model/annotation-class'
import { formatCount } from '../../model/format'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'
import { Lazy } from '../lazy'
import { EyeButton } from './eye-button'

const loadEditor = async () => (await import('../classes/class-editor')).ClassEditor

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

interface RowProps {
  readonly workspace: Workspace
  /** Null: objects without a class. */
  readonly entry: AnnotationClass | null
}

/** One class: whether it is shown, its colour, count and hotkey, and what it means in a terminology. */
function ClassRow({ workspace, entry }: RowProps): JSX.Element {
  const { hotkeys, interaction, counts } = workspace
  const name = entry?.name ?? null
  const label = name ?? 'Unclassified'
  const shown = !interaction.hiddenClasses.value.has(name ?? '')
  const code = entry?.code
  return (
    <li class="row-line">
      <EyeButton shown={shown} what={`class ${label}`} onToggle={() => interaction.toggleClass(name)} />
      <button
        type="button"
        class={shown ? 'row' : 'row row-off'}
        data-testid="class-row"
        data-class={name ?? ''}
        aria-pressed={interaction.activeClass.value === name}
        disabled={!workspace.canAnnotate}
        title={code ? `${code.meaning} (${code.system} ${code.code})` : label}
        onClick={() => workspace.chooseClass(name)}
      >
        <span class="swatch" style={{ background: cssColor(entry?.color ?? UNCLASSIFIED) }} />
        <span class="clip">{label}</span>
        {code && (
          <span class="quiet clip row-code" data-testid="class-code">
            {code.system} {code.code}
          </span>
        )}
        <span class="count">{formatCount(counts.ofClass(name))}</span>
        <kbd>{hotkeys.value.get(name ?? '') ?? ''}</kbd>
      </button>
    </li>
  )
}

/** The palette: the chosen class is what new objects get; with an object selected, it is given that class. */
export function ClassList({ workspace }: { workspace: Workspace }): JSX.Element {
  const editing = useSignal(false)
  const close = (): void => {
    editing.value = false
  }
  const unfolded = useSignal(false)
  const { interaction, counts } = workspace
  const { used, others } = usedFirst(
    workspace.classes.value,
    (name) =>
      counts.ofClass(name) > 0 || interaction.activeClass.value === name || interaction.hiddenClasses.value.has(name),
  )
  const shown = unfolded.value ? workspace.classes.value : used
  return (
    <section class="panel-section" aria-labelledby="class-heading">
      <div class="section-head">
        <h2 id="class-heading">Class</h2>
        {workspace.canEditClasses && (
          <button
            type="button"
            class="link"
            data-testid="edit-classes"
            onClick={() => {
              editing.value = true
            }}
          >
            Edit classes…
          </button>
        )}
        <span aria-hidden="true">Hotkey</span>
      </div>
      <ul class="rows class-rows-list">
        {shown.map((entry) => (
          <ClassRow key={entry.name} workspace={workspace} entry={entry} />
        ))}
        <ClassRow workspace={workspace} entry={null} />
      </ul>
      {others.length > 0 && (
        <button
          type="button"
          class="link more-classes"
          aria-expanded={unfolded.value}
          data-testid="more-classes"
          onClick={() => {
            unfolded.value = !unfolded.value
          }}
        >
          {unfolded.value ? 'Fold classes without objects' : `${formatCount(others.length)} more without objects`}
        </button>
      )}
      {workspace.canAnnotate && <NewClass workspace={workspace} />}
      {editing.value && <Lazy load={loadEditor} props={{ workspace, onClose: close }} />}
    </section>
  )
}
