import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { Window } from '../../model/look'
import { type ChannelFacts, histogramPath, type SampleType, sliderRange, sliderStep } from '../../model/samples'

/** Size of the drawing; it is stretched to the width that there is. */
const [WIDTH, HEIGHT] = [128, 40]

interface Props {
  readonly facts: ChannelFacts
  readonly type: SampleType
  readonly window: Window
  readonly color: string
  readonly move: (end: 0 | 1, value: number) => void
}

/** A histogram with the two ends of the window on it. */
export function WindowSlider({ facts, type, window, color, move }: Props): JSX.Element {
  const [from, to] = sliderRange(facts, window, type)
  const path = useMemo(() => histogramPath(facts, [from, to], WIDTH, HEIGHT), [facts, from, to])
  const at = (value: number): number => ((value - from) / (to - from || 1)) * WIDTH
  const end = (which: 0 | 1, label: string): JSX.Element => (
    <input
      type="range"
      aria-label={`${facts.name}: ${label}`}
      min={from}
      max={to}
      step={sliderStep([from, to], type)}
      value={window[which]}
      onInput={(event) => move(which, event.currentTarget.valueAsNumber)}
    />
  )
  const [left, right] = [at(window[0]), at(window[1])]
  return (
    <div class="window-slider" data-testid="window-slider">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path d={path} fill={color} />
        <rect class="window-out" x={0} width={Math.max(0, Math.min(left, right))} height={HEIGHT} />
        <rect class="window-out" x={Math.max(left, right)} width={WIDTH} height={HEIGHT} />
      </svg>
      {end(0, 'black at')}
      {end(1, 'full colour at')}
    </div>
  )
}
