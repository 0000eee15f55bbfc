import type { JSX } from 'preact'
import type { Workspace } from '../../store/workspace'

interface Props {
  readonly workspace: Workspace
  /** Its name, where no label names it by its id. */
  readonly name?: string
  readonly id?: string
}

/** Gives all that is selected the class that is chosen; it shows none itself. */
export function ClassChoice({ workspace, name, id }: Props): JSX.Element {
  return (
    <select
      aria-label={name}
      value="-"
      id={id}
      data-testid={id}
      onChange={(event) => {
        const given = event.currentTarget.value
        event.currentTarget.value = '-'
        workspace.classifySelected(given === '' ? null : given.slice(1))
      }}
    >
      <option value="-">Change class…</option>
      {workspace.classes.value.map((known) => (
        <option key={known.name} value={`=${known.name}`}>
          {known.name}
        </option>
      ))}
      <option value="">Unclassified</option>
    </select>
  )
}
