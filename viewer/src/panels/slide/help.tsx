import type { JSX } from 'preact'
import { COMMANDS, GESTURES } from '../../model/commands'
import type { Slide } from '../../model/slide'
import { Dialog } from './dialog'

const GROUPS = ['Tools', 'View', 'Edit', 'Show'] as const

function Row({ label, keys }: { label: string; keys: string }): JSX.Element {
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        <kbd>{keys}</kbd>
      </dd>
    </div>
  )
}

interface Props {
  readonly slide: Slide
  readonly canAnnotate: boolean
  readonly onClose: () => void
}

/** Every key and gesture that works for this reader and slide. */
export function Help({ slide, canAnnotate, onClose }: Props): JSX.Element {
  const mine = ({ annotators, needs }: { annotators?: true; needs?: 'planes' | 'times' }): boolean =>
    (canAnnotate || !annotators) && (needs === undefined || slide[needs] > 1)
  return (
    <Dialog title="Keys and gestures" onClose={onClose}>
      <div class="help">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {COMMANDS.filter((command) => command.group === group && mine(command)).map(({ id, label, keys }) => (
                <Row key={id} label={label} keys={keys} />
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>Pointer</h3>
          <dl>
            {GESTURES.filter(mine).map(({ label, keys }) => (
              <Row key={label} label={label} keys={keys} />
            ))}
          </dl>
        </section>
      </div>
    </Dialog>
  )
}
