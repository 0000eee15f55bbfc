import type { JSX } from 'preact'
import { depthText } from '../../model/look'
import { middlePlane } from '../../model/slide'
import type { Workspace } from '../../store/workspace'
import { Icon } from '../icons'

interface Place {
  readonly label: string
  readonly count: number
  /** From 0; null when no single one is shown. */
  readonly at: number | null
  readonly rest: number
  readonly shown: string
  readonly go: (index: number) => void
}

/** A slider through planes or times, counted from 1 as people do. */
function Range({ label, count, at, rest, shown, go }: Place): JSX.Element {
  return (
    <div class="place">
      <span aria-hidden="true">{label}</span>
      <input
        type="range"
        aria-label={label}
        min={1}
        max={count}
        step={1}
        value={(at ?? rest) + 1}
        aria-valuetext={shown}
        onInput={(event) => go(event.currentTarget.valueAsNumber - 1)}
      />
      <span class="place-value" aria-hidden="true">
        {shown}
      </span>
    </div>
  )
}

/** Which plane of a stack is shown, or all of them at once, and which point in time. */
export function Planes({ workspace }: { workspace: Workspace }): JSX.Element {
  const { display } = workspace
  const { planes, times } = workspace.slide.value
  const { depth, time } = display.look.value
  const projected = typeof depth !== 'number' && depth !== null
  const middle = middlePlane(workspace.slide.value)
  const shown = depthText(depth, middle, planes).replace('/', ' of ')
  return (
    <section class="panel-section" aria-labelledby="planes-heading">
      <h2 id="planes-heading">{planes > 1 && times > 1 ? 'Plane and time' : planes > 1 ? 'Plane' : 'Time'}</h2>
      {planes > 1 && (
        <>
          <Range
            label="Plane"
            count={planes}
            at={display.plane}
            rest={middle}
            shown={shown}
            go={(plane) => display.setDepth(plane)}
          />
          <button
            type="button"
            class="row"
            role="switch"
            aria-checked={projected}
            data-testid="projection"
            title="The greatest value of all planes (I)"
            onClick={() => display.toggleProjection()}
          >
            <Icon name={projected ? 'check-on' : 'check-off'} size={15} />
            <span>All planes at once</span>
            <span class="quiet clip">greatest value</span>
          </button>
        </>
      )}
      {times > 1 && (
        <Range
          label="Time"
          count={times}
          at={time}
          rest={0}
          shown={`${time + 1} of ${times}`}
          go={(index) => display.setTime(index)}
        />
      )}
    </section>
  )
}
