import type { JSX } from 'preact'
import { classNameOf } from '../../model/annotation-class'
import { plural } from '../../model/format'
import type { Workspace } from '../../store/workspace'

/** What is selected, for those who hear the page: the canvas and its keys do not say it. */
export function Spoken({ workspace }: { workspace: Workspace }): JSX.Element {
  void workspace.objects.version.value
  const { group, selection } = workspace.interaction
  const [chosen, one] = [group.value, workspace.objects.get(selection.value ?? '')]
  const text = chosen
    ? `${plural(chosen.numbers.length, 'object')} selected`
    : one
      ? `Selected: ${classNameOf(one) ?? 'Unclassified'}`
      : ''
  return (
    <p class="visually-hidden" role="status" data-testid="spoken">
      {text}
    </p>
  )
}
